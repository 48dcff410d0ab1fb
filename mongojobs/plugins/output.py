"""Where log lines go: to standard output or a file, many lines in one write when they come fast.

Each write lets another thread run, which costs a busy worker more than its jobs. So lines are gathered for a moment, in
the buffer through which the jobs' own prints go too, so that all of it keeps its order. Those of which there are many
are not even made before. Warnings and errors are written at once. A process that dies without a word takes the lines of
that moment with it.

Whatever becomes of the output, the work goes on: a reader that has left, a full disk, a file that a job has closed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import operator
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MOMENT_SECONDS: Final = 0.02
_MOMENT_BYTES: Final = 65_536
_PATIENCE_SECONDS: Final = 1.0
_MOST_WAITING: Final = 1000
"""So many lines may wait to be made: what each tells of stays in memory for so long."""

Line = Callable[[Any, int], str]
"""Makes the line that tells of something, which was so many milliseconds after 1970."""


class OutputError(OSError):
    """Standard output cannot be written to, and not because its reader has left."""


class Output(io.FileIO):
    """An open *descriptor* that takes every write in full, and is not closed with this object.

    When it *is_strict*, the first write that fails raises OSError: BrokenPipeError, or OutputError. Afterwards, and
    else, what cannot be written is dropped.
    """

    def __init__(self, descriptor: int, *, is_strict: bool = False) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.is_strict: bool = is_strict

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of *data*, even if somebody has made the descriptor non-blocking."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                written = super().write(left)
                if written is None:
                    select.select([], [self], [])
                left = left[written or 0 :]
        except OSError as error:
            if self.is_strict:
                self.is_strict = False
                raise (
                    error if isinstance(error, BrokenPipeError) else OutputError(error.errno, error.strerror)
                ) from None
        return size


class LineBuffer(io.BufferedWriter):
    """A buffer for the lines of a moment; *before* anything else is written, those that wait elsewhere are."""

    before: Callable[[], object] = staticmethod(lambda: None)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write *data* behind the lines that wait."""
        self.before()
        return super().write(data)

    def flush(self) -> None:
        """Write the lines that wait, and empty the buffer."""
        self.before()
        super().flush()

    def put(self, data: ReadableBuffer) -> None:
        """Write *data* itself, which has waited."""
        super().write(data)


def buffered(output: io.RawIOBase) -> LineBuffer:
    """Return *output* with a buffer that holds the lines of a moment of a busy worker."""
    return LineBuffer(output, _MOMENT_BYTES)


class LogHandler(logging.Handler):
    """Writes records to *output*; if that fails they are lost, and the jobs go on.

    With *at_once* nothing is gathered: for a process that jobs may end without a word.
    """

    def __init__(self, output: BinaryIO, *, at_once: bool = False) -> None:
        super().__init__()
        self._waiting: deque[tuple[Line, Any, int]] = deque()
        self._write_to(output)
        self._descriptor = _descriptor_of(output)
        self._at_once = at_once
        self._nothing_new = threading.Lock()  # an event takes ten calls to be set, in the thread of a job
        self._nothing_new.acquire()
        self._has_more = False
        self._writing = threading.RLock()
        os.register_at_fork(before=self._settle, after_in_parent=self._go_on, after_in_child=self._go_on_alone)
        threading.Thread(target=self._flush_in_time, name="mongojobs-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record soon."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as in the standard library: a log that fails stops nobody
            self.handleError(record)
            return
        self.write(line, at_once=record.levelno >= logging.WARNING)

    def write(self, line: str, *, at_once: bool = False) -> None:
        """Write a *line* that may have any characters: at once, or soon."""
        self._alone(self._append, self._output.write, line)
        if at_once or self._at_once:
            self.flush()
        elif not self._has_more:
            self._flush_soon()

    def write_later(self, make: Line, told: object) -> None:
        """Write, soon, the line that *make* gives of what is *told* now: made with others, when no job waits for it."""
        milliseconds = time.time_ns() // 1_000_000
        if self._at_once or not self._gathers:
            self.write(make(told, milliseconds))
            return
        self._waiting.append((make, told, milliseconds))
        if len(self._waiting) >= _MOST_WAITING:
            self._write_waiting()
        if not self._has_more:
            self._flush_soon()

    def flush(self) -> None:
        """Write what has been buffered."""
        with contextlib.suppress(OSError, ValueError):
            self._write_waiting()
            self._alone(self._output.flush)

    def _alone(self, act: Callable[..., object], *arguments: object) -> None:
        """Do *act* while nobody can fork.

        The patience is for this story: one thread has begun to fork, and waits for the lock of the logging module;
        another one has that, as it sets up logging, and flushes all handlers.
        """
        is_ours = self._writing.acquire(timeout=_PATIENCE_SECONDS)
        try:
            act(*arguments)
        finally:
            if is_ours:
                self._writing.release()

    def _write_waiting(self) -> None:
        """Make the lines that wait, and write them."""
        self._alone(self._make_waiting)

    def _make_waiting(self) -> None:
        waiting = []
        with contextlib.suppress(IndexError):
            while True:
                waiting.append(self._waiting.popleft())
        if not waiting:
            return
        try:
            lines = [make(told, milliseconds) for make, told, milliseconds in waiting]
            self._append(self._put, "\n".join(lines))
        except Exception:  # noqa: BLE001 - as with a record
            self.handleError(logging.makeLogRecord({"msg": "lines of jobs"}))
        except BaseException:  # a job has printed, and is interrupted here
            self._waiting.extendleft(reversed(waiting))
            raise

    def _append(self, write: Callable[[bytes], object], line: str) -> None:
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        try:
            write(data)
        except ValueError:  # a job has closed it
            self._write_anew(data)
        except OSError:
            pass  # the next lines may do better

    def _write_anew(self, data: bytes) -> None:
        if self._descriptor is not None:
            self._write_to(buffered(Output(self._descriptor)))
            self._output.write(data)

    def _put(self, data: bytes) -> None:
        """Write lines that have waited."""
        if isinstance(self._output, LineBuffer):
            self._output.put(data)

    def _write_to(self, output: BinaryIO) -> None:
        self._output = output
        self._gathers = isinstance(output, LineBuffer)
        if isinstance(output, LineBuffer):
            output.before = self._write_waiting

    def _flush_soon(self) -> None:
        self._has_more = True
        with contextlib.suppress(RuntimeError):  # another thread has just said so
            self._nothing_new.release()

    def _flush_in_time(self) -> None:
        moment = threading.Event()
        while True:
            self._nothing_new.acquire()
            moment.wait(MOMENT_SECONDS)
            self._has_more = False
            self.flush()

    def _settle(self) -> None:
        """Finish a line before the process forks, or the copy would write the buffer again, or hang."""
        self._writing.acquire()
        self.flush()

    def _go_on(self) -> None:
        self._writing.release()

    def _go_on_alone(self) -> None:
        """Go on without the thread, in a copy of the process."""
        self._waiting.clear()
        self._writing = threading.RLock()
        self._at_once = True


class Heard(logging.Logger):
    """A worker's logger: records of level *least* and above reach *handler*, however the app sets up logging.

    That may happen in any job, and its usual way disables all loggers that it does not name.
    """

    handler: logging.Handler
    least: int
    shortcut: Callable[[Any], bool] | None = None
    """What writes lines of which there are many, where it can; it says whether it could."""

    disabled: Any = property(operator.not_, lambda _logger, _value: None)
    """Whether it is silent: never, as is found without a call of Python's each time."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name in the standard library
        """Whether records of *level* go anywhere."""
        return level >= self.least or super().isEnabledFor(level)

    def handle(self, record: logging.LogRecord) -> None:
        """Pass *record* on as the app wishes, and to the worker's own log if the app does not."""
        if record.levelno >= self.least and not (self._leads_there() and self.filter(record)):
            self.handler.handle(record)
        super().handle(record)

    def _leads_there(self) -> bool:
        logger: logging.Logger | None = self
        while logger is not None:
            if self.handler in logger.handlers:
                return True
            logger = logger.parent if logger.propagate else None
        return False


def be_heard(handler: logging.Handler, shortcut: Callable[[Any], bool] | None = None) -> None:
    """Make the worker's warnings reach *handler*, whatever the app has done or will do to logging.

    Unless even that is below the level that is logged now. What there are many of may take the *shortcut*.
    """
    logger: Any = logging.getLogger("mongojobs")
    vars(logger).pop("disabled", None)
    logger.__class__ = Heard
    logger.handler, logger.shortcut = handler, shortcut
    logger.least = max(logging.WARNING, logging.getLogger().level)


def _descriptor_of(output: BinaryIO) -> int | None:
    try:
        return output.fileno()
    except (OSError, ValueError):
        return None
