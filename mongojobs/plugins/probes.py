"""A small HTTP server that answers whether its process lives, and what else it can tell in a page.

It is made for platforms and scrapers, not for people. What a client may take is bounded: threads, seconds and bytes.
"""

from __future__ import annotations

import io
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Self

logger = logging.getLogger("mongojobs")

MOST_CLIENTS: Final = 8
"""How many are answered at once; further ones are turned away."""
CLIENT_SECONDS: Final = 3.0
"""How long a client may take for its request, and for taking the answer."""
LARGEST_REQUEST: Final = 8192

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page says: *ok* or not, for programs that look at the status only, and the *body* for all others."""

    body: str
    ok: bool = True
    content_type: str = TEXT


Page = Callable[[], Answer]


class Cached:
    """A page that is made at most once in so many *seconds*, whoever asks and however often."""

    def __init__(self, page: Page, seconds: float) -> None:
        self._page = page
        self._seconds = seconds
        self._making = threading.Lock()
        self._answer = Answer("")
        self._until = 0.0

    def __call__(self) -> Answer:
        """Return the page, as it is or was a moment ago."""
        with self._making:
            if time.monotonic() >= self._until:
                self._answer = self._page()
                self._until = time.monotonic() + self._seconds
            return self._answer


class ProbeServer(socketserver.TCPServer):
    """Answers GET of the paths of *pages*, while the ``with`` block lasts. *port* 0 means any free one.

    Raises OSError where it cannot listen.
    """

    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, pages: Mapping[str, Page], *, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.pages = pages
        self._free = threading.Semaphore(MOST_CLIENTS)
        super().__init__((host, port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, name="mongojobs-probes", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer one client in a thread of its own, if there is one to be had."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        arguments = (request, client_address)
        threading.Thread(target=self._answer, args=arguments, name="mongojobs-probe", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client has gone away."""

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)
            self._free.release()


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: ProbeServer

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BytesIO(_read_head(self.connection))
        self.connection.settimeout(CLIENT_SECONDS)

    def do_GET(self) -> None:
        """Answer with a page."""
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            self._send(404, Answer(f"There are: {' '.join(self.server.pages)}\n"))
            return
        try:
            answer = page()
        except Exception:  # a page that cannot be made is no reason to leave others without an answer
            logger.exception("The page %s cannot be made", self.path[:100])
            self._send(500, Answer("error\n"))
        else:
            self._send(200 if answer.ok else 503, answer)

    do_HEAD = do_GET  # noqa: N815 - the name in the standard library

    def version_string(self) -> str:
        """Tell no versions."""
        return "mongojobs"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Log no requests: there is one every few seconds."""

    def _send(self, status: int, answer: Answer) -> None:
        body = answer.body.encode()
        self.send_response(status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _read_head(connection: socket.socket) -> bytes:
    """Return a request without its body; nothing when it is too large or too slow."""
    deadline, head = time.monotonic() + CLIENT_SECONDS, b""
    while b"\r\n\r\n" not in head:
        left = deadline - time.monotonic()
        if left <= 0 or len(head) > LARGEST_REQUEST:
            return b""
        connection.settimeout(left)
        try:
            part = connection.recv(4096)
        except TimeoutError:
            return b""
        if not part:
            return b""
        head += part
    return head
