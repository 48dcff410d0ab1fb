"""A network that can be made bad: a TCP proxy on the loopback between workers and a node."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

_CHUNK = 65_536
_BEFORE_FIRST_KEY = 16 + 4 + 1 + 4 + 1


class Proxy:
    """Passes connections on to *port* of this machine, until told to do otherwise.

    Give clients its address with ``directConnection=true``, else they learn the node's own address and go around it.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._guard = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._closed = self._refusing = False
        self._losing: tuple[str, ...] = ()
        self._left_to_lose = 0
        self._doomed: set[socket.socket] = set()
        self._delay_seconds = 0.0
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Host and port for clients."""
        host, port = self._listening.getsockname()
        return f"{host}:{port}"

    def delay(self, seconds: float) -> None:
        """Hold everything up, in each direction, for so long."""
        self._delay_seconds = seconds

    def black_hole(self) -> None:
        """Pass nothing on and close nothing, as with a pulled cable; what is sent until then arrives after `heal`."""
        self._open.clear()

    def cut(self) -> None:
        """Close all connections, and new ones as they come."""
        self._refusing = True
        self.cut_once()

    def cut_once(self) -> None:
        """Close all connections; new ones are passed on."""
        with self._guard:
            pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair)

    def lose_answers(self, *commands: str, times: int) -> None:
        """Pass the next *times* of these *commands* on, and close the connection instead of bringing the answer."""
        self._left_to_lose = times
        self._losing = commands

    @property
    def has_lost_all(self) -> bool:
        """Whether as many answers are lost as was asked for."""
        return self._left_to_lose == 0

    def heal(self) -> None:
        """Pass everything on again, at once."""
        self._refusing = False
        self._losing = ()
        self._delay_seconds = 0.0
        self._open.set()

    def close(self) -> None:
        """Close everything for good."""
        self._closed = True
        self._listening.close()
        self.heal()
        self.cut_once()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), name="proxy", daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._open.wait()
        if self._refusing:
            client.close()
            return
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        pair = (client, server)
        with self._guard:
            self._pairs.add(pair)
        threading.Thread(target=self._pump, args=(pair, client, server), name="proxy", daemon=True).start()
        self._pump(pair, server, client)

    def _pump(self, pair: tuple[socket.socket, socket.socket], source: socket.socket, sink: socket.socket) -> None:
        """Bring bytes from *source* to *sink* until one of them is closed."""
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                time.sleep(self._delay_seconds)
                self._open.wait()
                if source is pair[0] and self._is_to_lose(chunk):
                    self._doomed.add(pair[1])
                elif source in self._doomed:
                    break
                sink.sendall(chunk)
        self._end(pair)

    def _is_to_lose(self, request: bytes) -> bool:
        with self._guard:
            if not self._left_to_lose or _command(request) not in self._losing:
                return False
            self._left_to_lose -= 1
            return True

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._guard:
            self._pairs.discard(pair)
            self._doomed.discard(pair[1])
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _command(request: bytes) -> str:
    """Return the name of the command in a message: the first key of its document, behind header, flags and kind."""
    return request[_BEFORE_FIRST_KEY:].split(b"\0", 1)[0].decode(errors="replace")
