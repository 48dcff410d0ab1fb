"""The signals of the process, handed to its worker.

A Python signal handler interrupts the main thread anywhere, so also while it holds a lock that ``Worker.stop`` needs,
and would then wait for that lock for ever. So the handlers do nothing; the interpreter writes the number of each signal
into a socket, and a thread reads it there.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from signal import Signals
from types import FrameType, TracebackType
from typing import Any, Final, Protocol, Self

logger = logging.getLogger("mongojobs")

SUPERVISED: Final = "MONGOJOBS_SUPERVISED"
"""The environment variable by which a supervisor tells its children that it handles Ctrl-C for them."""

WORKER_SIGNALS: Final = (Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTSTP, Signals.SIGUSR1)

_PARENT_SECONDS: Final = 1.0
_STANDARD_ERROR: Final = 2


class Stoppable(Protocol):
    """What can be stopped by signals: a worker."""

    def stop(self, *, now: bool = False) -> None:
        """Begin nothing more, and end soon; with *now* at once."""

    def quiet(self) -> None:
        """Begin nothing more, but stay."""


class Mailbox:
    """Collects signals for whoever reads them, while the ``with`` block lasts; then all is as it was before.

    Only the main thread can enter and leave it; any one thread reads. Signals in *ignored* are ignored meanwhile.
    """

    def __init__(self, signals: Iterable[Signals], *, ignored: Iterable[Signals] = ()) -> None:
        self._handlers: dict[Signals, Any] = dict.fromkeys(signals, _wake)
        self._handlers |= dict.fromkeys(ignored, signal.SIG_IGN)
        self._before: dict[Signals, Any] = {}

    def __enter__(self) -> Self:
        self._reading, self._writing = socket.socketpair()
        self._writing.setblocking(False)
        self._descriptor_before = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        for number, handler in self._handlers.items():
            self._before[number] = signal.signal(number, handler)
        # A supervisor holds INT back for its children, so that it cannot hit one that is not here yet.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._handlers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._descriptor_before)
        self._reading.close()
        self._writing.close()

    def receive(self, seconds: float | None = None) -> list[Signals]:
        """Return the signals that have come, in their order; wait for the first one, at most *seconds*."""
        self._reading.settimeout(seconds)
        try:
            return [Signals(number) for number in self._reading.recv(1024) if number]
        except (TimeoutError, BlockingIOError):
            return []

    def wake(self) -> None:
        """Let ``receive`` return without a signal."""
        self._writing.send(b"\0")


class WorkerSignals:
    """Hands signals to *worker* while the ``with`` block lasts.

    TERM stops it, however often it comes; so does the first INT, and a second one stops it at once, as QUIT does. TSTP
    and USR1 make it quiet. USR2 writes the stacks of all threads to standard error. Under a supervisor, whose process
    id is *supervisor*, INT is ignored, and the worker stops when the supervisor is gone. Source: ecosystem.md 3.5.
    """

    def __init__(self, worker: Stoppable, *, supervisor: int | None = None) -> None:
        self._worker = worker
        self._supervisor = supervisor
        ignored = () if supervisor is None else (Signals.SIGINT,)
        self._mailbox = Mailbox([number for number in WORKER_SIGNALS if number not in ignored], ignored=ignored)
        self._leaving = threading.Event()
        self._interrupted = False
        self._reader = threading.Thread(target=self._read, name="mongojobs-signals", daemon=True)

    def __enter__(self) -> Self:
        self._mailbox.__enter__()
        faulthandler.register(signal.SIGUSR2, file=_STANDARD_ERROR, all_threads=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._mailbox.wake()
        self._reader.join()
        faulthandler.unregister(signal.SIGUSR2)
        self._mailbox.__exit__(kind, error, trace)

    def _read(self) -> None:
        while not self._leaving.is_set():
            for number in self._mailbox.receive(None if self._supervisor is None else _PARENT_SECONDS):
                self._tell(number)
            if self._supervisor is not None and os.getppid() != self._supervisor:
                self._supervisor = None
                logger.warning("The supervisor of this worker is gone: stopping")
                self._tell(Signals.SIGTERM)

    def _tell(self, number: Signals) -> None:
        try:
            self._obey(number)
        except Exception:  # a plugin that hears of the stop may raise; the next signal must still be read
            logger.exception("A plugin raised while the worker was told of %s", number.name)

    def _obey(self, number: Signals) -> None:
        match number:
            case Signals.SIGTERM:
                self._worker.stop()
            case Signals.SIGINT:
                self._worker.stop(now=self._interrupted)
                self._interrupted = True
            case Signals.SIGQUIT:
                self._worker.stop(now=True)
            case _:
                self._worker.quiet()


def supervisor_of(environ: Mapping[str, str]) -> int | None:
    """Return the process id of the supervisor that started this process, if one did.

    The variable holds it, so that a child notices even a supervisor that died while the child was starting; ``1`` says
    that there is one, without its number.
    """
    told = environ.get(SUPERVISED, "")
    if not told.isdigit() or told == "0":
        return None
    return int(told) if int(told) > 1 else os.getppid()


@contextmanager
def held_back(*numbers: Signals) -> Iterator[None]:
    """Hold signals back meanwhile; a process that is started inside holds them back until it asks for them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wake(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: that the signal came is told by the socket."""
