"""Messages between a worker and its children: BSON documents over a socket, each of which begins with its length.

Nothing is pickled, so whatever a job does to its process, no more than values come back from it.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Final

import bson
from bson import CodecOptions
from bson.errors import InvalidBSON

from mongojobs.core.job import Document

_OPTIONS: Final = CodecOptions[Document](tz_aware=True)
_CHUNK_BYTES: Final = 1 << 16


class Channel:
    """One end of the connection; any thread may send, but only one receives.

    With *patience* (seconds), ``receive`` gives up after so long without a message.
    """

    def __init__(self, connection: socket.socket, patience: float | None = None) -> None:
        self._socket = connection
        self._sending = threading.Lock()
        self._received = bytearray()
        if patience is not None:
            # Not by settimeout, which would let a large message that is sent meanwhile fail too.
            waiting = struct.pack("ll", int(patience), int(patience % 1 * 1_000_000))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, waiting)

    def send(self, message: Document) -> None:
        """Send one message. Raises OSError when the other end no longer reads."""
        data = bson.encode(message)
        with self._sending:
            self._socket.sendall(data)

    def receive(self) -> Document | None:
        """Return the next message; None if the other end has closed, or sends something that makes no sense.

        Raises TimeoutError when none has come in time, and ConnectionResetError when the other end was closed while
        something that we had sent was unread there, where the system tells.
        """
        while (size := self._size()) is None or len(self._received) < size:
            try:
                chunk = self._socket.recv(_CHUNK_BYTES)
            except BlockingIOError:
                raise TimeoutError from None
            if not chunk:
                return None
            self._received += chunk
        data = self._received[:size]
        del self._received[:size]
        try:
            return bson.decode(data, _OPTIONS)
        except InvalidBSON:
            return None

    def shut(self) -> None:
        """Close the connection for both ends, even while one is waiting for a message."""
        with suppress(OSError):  # it is closed
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release this end."""
        self._socket.close()

    def _size(self) -> int | None:
        """Return the size of the incoming message, once it is known."""
        return int.from_bytes(self._received[:4], "little") if len(self._received) >= 4 else None
