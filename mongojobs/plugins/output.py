"""Where log lines go: to standard output or a file, many lines in one write when they come fast.

Each write lets another thread run, which costs a busy worker more than its jobs. So lines are gathered for a moment, in
the buffer through which the jobs' own prints go too, so that all of it keeps its order. Warnings and errors are written
at once. A process that dies without a word takes the lines of that moment with it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

MOMENT_SECONDS: Final = 0.02


class LogHandler(logging.Handler):
    """Writes records to *output*, whose reader may go away: then they go nowhere, and the jobs go on.

    With *at_once* nothing is gathered: for a process that jobs may end without a word.
    """

    def __init__(self, output: BinaryIO, *, at_once: bool = False) -> None:
        super().__init__()
        self._output = output
        self._at_once = at_once
        self._written = threading.Event()
        os.register_at_fork(before=self.flush)  # else a child would write what its parent has in the buffer again
        threading.Thread(target=self._flush_in_time, name="mongojobs-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, soon."""
        try:
            line = self.format(record) + "\n"
            with self._reader_may_leave():
                self._output.write(line.encode("utf-8", "backslashreplace"))
        except Exception:  # noqa: BLE001 - as in the standard library: a log that fails stops nobody
            self.handleError(record)
            return
        if self._at_once or record.levelno >= logging.WARNING:
            self.flush()
        elif not self._written.is_set():
            self._written.set()

    def flush(self) -> None:
        """Write what is gathered."""
        with self._reader_may_leave():
            self._output.flush()

    def _flush_in_time(self) -> None:
        moment = threading.Event()
        while True:
            self._written.wait()
            moment.wait(MOMENT_SECONDS)
            self._written.clear()
            try:
                self.flush()
            except (OSError, ValueError):  # a full disk, or a closed file: the next lines may do better
                moment.wait(1)

    @contextmanager
    def _reader_may_leave(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._output.fileno())
            os.close(nowhere)
