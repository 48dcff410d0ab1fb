"""A small HTTP server that says whether its process is alive, and serves its other pages.

It is made for platforms and scrapers, not for people. What a client may take is bounded: threads, seconds and bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final, Self

logger: logging.Logger = logging.getLogger("mongojobs")

MOST_CLIENTS: Final = 8
"""How many clients a page is made for at once; others are turned away."""
MOST_WAITING: Final = 64
"""How many clients may be sending requests at once; beyond that, the slowest is cut off."""
PAGE_SECONDS: Final = 10.0
"""How long a page may take to make."""
CLIENT_SECONDS: Final = 3.0
"""How long a client may take to send its request, and to read the response."""
LARGEST_REQUEST: Final = 8192

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """The content of a page: *ok* or not, for programs that check only the status, and the *body* for all others."""

    body: str
    ok: bool = True
    content_type: str = TEXT


Page = Callable[[], Answer]


class Cached:
    """A page that is made at most once in this many *seconds*, however often it is asked for."""

    def __init__(self, page: Page, seconds: float) -> None:
        self._page = page
        self._seconds = seconds
        self._making = threading.Lock()
        self._answer = Answer("")
        self._until = 0.0

    def __call__(self) -> Answer:
        """Return the page as it is now, or was a moment ago."""
        with self._making:
            if time.monotonic() >= self._until:
                self._answer = self._page()
                self._until = time.monotonic() + self._seconds
            return self._answer


class ProbeServer:
    """Answers GET for the paths in *pages* during the ``with`` block. *port* 0 means any free one.

    One thread minds all clients, and answers by itself for the pages in *prompt*, which wait for nothing: so these are
    answered whatever the other pages wait for, each of which is made in a thread of its own, and whoever is slow. A
    client that has not sent its request yet makes room for others when there are many. Raises OSError where it cannot
    listen.
    """

    def __init__(
        self, pages: Mapping[str, Page], *, host: str, port: int, prompt: Collection[str] = ("/livez",)
    ) -> None:
        self.pages = pages
        self._prompt = prompt
        is_new = ":" in host
        self._socket = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if is_new else socket.AF_INET,
            backlog=MOST_WAITING,
            dualstack_ipv6=is_new and socket.has_dualstack_ipv6(),
        )
        self.server_address: Any = self._socket.getsockname()
        self._waiting: dict[asyncio.StreamWriter, None] = {}
        self._made_now = 0
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="mongojobs-probes", daemon=True)
        os.register_at_fork(after_in_child=self._socket.close)  # else a copy would hold the port

    @property
    def url(self) -> str:
        """The address it listens on."""
        host, port = self.server_address[:2]
        return f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._serve_client, sock=self._socket, limit=LARGEST_REQUEST)
        await self._stopping.wait()
        server.close()

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # the client has gone away, is too slow, or sends too much
        except asyncio.CancelledError:
            pass  # the server ends; Python 3.11 would print a traceback for each client
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client. Raises OSError, EOFError, LimitOverrunError."""
        if len(self._waiting) >= MOST_WAITING:
            next(iter(self._waiting)).transport.abort()
        self._waiting[writer] = None
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), CLIENT_SECONDS)
        finally:
            del self._waiting[writer]
        response = await self._respond(head.partition(b"\r\n")[0].decode("latin-1").split())
        writer.transport.set_write_buffer_limits(0)  # so that all of it is on its way after this
        writer.write(response)
        await asyncio.wait_for(writer.drain(), CLIENT_SECONDS)

    async def _respond(self, request: list[str]) -> bytes:
        """Return the response to the words of a request line; nothing if there is no thread to make it."""
        match request:
            case ["GET" | "HEAD" as method, target, version] if version.startswith("HTTP/"):
                path, body_wanted = target.partition("?")[0], method == "GET"
            case [_, _, _]:
                return _response(501, Answer("only GET\n"))
            case _:
                return _response(400, Answer("this is not a request\n"))
        page = self.pages.get(path)
        if page is None:
            return _response(404, Answer(f"Pages: {' '.join(self.pages)}\n"), body_wanted=body_wanted)
        if path in self._prompt:
            return _response(*_made(page, path), body_wanted=body_wanted)
        if self._made_now >= MOST_CLIENTS:
            return b""
        return _response(*await self._made_beside(page, path), body_wanted=body_wanted)

    async def _made_beside(self, page: Page, path: str) -> tuple[int, Answer]:
        """Make a page in a thread of its own."""
        made: asyncio.Future[tuple[int, Answer]] = self._loop.create_future()
        self._made_now += 1

        def end(result: tuple[int, Answer]) -> None:
            self._made_now -= 1
            if not made.done():
                made.set_result(result)

        def make() -> None:
            result = _made(page, path)
            with contextlib.suppress(RuntimeError):  # the server has ended
                self._loop.call_soon_threadsafe(end, result)

        threading.Thread(target=make, name="mongojobs-probe", daemon=True).start()
        try:
            return await asyncio.wait_for(made, PAGE_SECONDS)
        except TimeoutError:
            return 503, Answer(f"{path} takes too long\n")


def _made(page: Page, path: str) -> tuple[int, Answer]:
    try:
        answer = page()
    except Exception:  # a page that cannot be made is no reason to leave others without an answer
        logger.exception("The page %s cannot be rendered", path[:100])
        return 500, Answer("error\n")
    return 200 if answer.ok else 503, answer


def _response(status: int, answer: Answer, *, body_wanted: bool = True) -> bytes:
    """Return the bytes sent to the client, which reveal no versions."""
    body = answer.body.encode()
    head = (
        f"HTTP/1.0 {status} {HTTPStatus(status).phrase}\r\n"
        "Server: mongojobs\r\n"
        f"Date: {formatdate(usegmt=True)}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "\r\n"
    )
    return head.encode() + (body if body_wanted else b"")
