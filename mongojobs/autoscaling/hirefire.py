"""HireFire, which asks the site once in a while: a WSGI application that answers. It needs no package of theirs."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, Literal, get_args

from mongojobs.app import MongoJobs, default_app
from mongojobs.autoscaling.queues import named_queues
from mongojobs.core.errors import ConfigurationError, StoreUnavailableError
from mongojobs.core.job_filter import JobFilter
from mongojobs.store.time_limits import time_limit

Measure = Literal["latency", "size"]

TOKEN_VARIABLE: Final = "HIREFIRE_TOKEN"  # noqa: S105 - where it is, not what it is
PATIENCE_SECONDS: Final = 5.0
_PROCESS_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,29}")
"""What may stand before the colon in a Procfile. Source: HireFire's own package."""


def hirefire_app(
    workers: Mapping[str, Iterable[str]] | None = None,
    *,
    measure: Measure = "latency",
    token: str | None = None,
    app: MongoJobs | None = None,
) -> HireFire:
    """Return a WSGI application for the address ``/hirefire`` of a site.

    *workers* are the processes of the Procfile, each with the queues of which it works off the jobs; none: of all. By
    default there is one, ``worker``. *measure* is ``latency``, for how many seconds the oldest due job has been
    waiting, or ``size``, how many wait: what the manager at HireFire is set to. *token* is that of ``HIREFIRE_TOKEN``
    unless given; without any, there is nothing at the address. Raises ConfigurationError.
    """
    if measure not in get_args(Measure):
        raise ConfigurationError(f'measure must be "latency" or "size", got {measure!r:.100}')
    if token is not None and not token.strip():
        raise ConfigurationError(
            f"token must be the one that HireFire shows, got {token!r:.10}: or set {TOKEN_VARIABLE}"
        )
    chosen = token or os.environ.get(TOKEN_VARIABLE, "")
    return HireFire(_checked({"worker": ()} if workers is None else workers), measure, chosen.strip(), app)


class HireFire:
    """The application as made by ``hirefire_app``."""

    def __init__(
        self, workers: Mapping[str, tuple[str, ...]], measure: Measure, token: str, app: MongoJobs | None
    ) -> None:
        self._workers = workers
        self._measure = measure
        self._token = token
        self._app = app

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        """Answer a request."""
        status, document = self._answer(environ)
        body = json.dumps(document).encode()
        length = str(len(body))
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Content-Length", length)]
        start_response(status, headers)
        return [body]

    def values(self) -> dict[str, float]:
        """Return what HireFire is told of each process. Raises StoreUnavailableError."""
        app = self._app or default_app()
        with time_limit(PATIENCE_SECONDS):
            waits = {queue: wait for queue, wait in app.latency().items() if wait}
            among = {
                name: [one for one in waits if not queues or one in queues] for name, queues in self._workers.items()
            }
            if self._measure == "latency":
                return {name: _seconds([waits[one] for one in queues]) for name, queues in among.items()}
            wanted = {one for queues in among.values() for one in queues}
            sizes = {one: app.count(JobFilter(state="ready", queue=one)).number for one in wanted}
            return {name: sum(sizes[one] for one in queues) for name, queues in among.items()}

    def _answer(self, environ: Mapping[str, Any]) -> tuple[str, object]:
        if not self._is_asked_by_hirefire(environ):
            return "404 Not Found", {"error": "there is nothing here"}
        try:
            values = self.values()
        except StoreUnavailableError as error:
            return "503 Service Unavailable", {"error": str(error)}
        return "200 OK", [{"name": name, "value": value} for name, value in values.items()]

    def _is_asked_by_hirefire(self, environ: Mapping[str, Any]) -> bool:
        """Whether the request has the token: in a header or, as older ones have it, in the path."""
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".rstrip("/")
        found = re.fullmatch(r".*/hirefire(?:/([^/]+)/info)?", path)
        if found is None or not self._token:
            return False
        given = found[1] or environ.get("HTTP_HIREFIRE_TOKEN", "")
        return hmac.compare_digest(_bytes(given), _bytes(self._token))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _seconds(waits: list[timedelta]) -> float:
    return round(max(waits, default=timedelta(0)).total_seconds(), 3)


def _checked(workers: object) -> dict[str, tuple[str, ...]]:
    """Return *workers* with tuples of queues. Raises ConfigurationError."""
    if not isinstance(workers, Mapping) or not workers:
        raise ConfigurationError(f'workers must be such as {{"worker": ["mail", "reports"]}}, got {workers!r:.100}')
    for name in workers:
        if not isinstance(name, str) or not _PROCESS_NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r:.100} is no process of a Procfile: HireFire knows names such as worker")
    return {name: named_queues(queues, of=f"the queues of {name}") for name, queues in workers.items()}
