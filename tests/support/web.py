"""Asking a server on this machine."""

import urllib.error
import urllib.request
from dataclasses import dataclass


@dataclass(frozen=True)
class Response:
    status: int
    text: str
    content_type: str


def get(url: str, *, method: str = "GET") -> Response:
    """Return the answer, whatever its status."""
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Response(answer.status, answer.read().decode(), answer.headers["Content-Type"])
    except urllib.error.HTTPError as refused:
        return Response(refused.code, refused.read().decode(), refused.headers["Content-Type"])


def status(url: str) -> int | None:
    """Return the status, or None if nothing answers."""
    try:
        return get(url).status
    except OSError:
        return None
