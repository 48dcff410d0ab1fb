"""The signals of the process, passed to its worker.

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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from signal import Signals
from types import FrameType, TracebackType
from typing import Any, Final, Protocol, Self

logger: logging.Logger = logging.getLogger("mongojobs")

SUPERVISED: Final = "MONGOJOBS_SUPERVISED"
"""The environment variable in which a supervisor tells its children that it handles Ctrl-C for them."""

WORKER_SIGNALS: Final = (Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTSTP, Signals.SIGUSR1)

STOP_SIGNALS: Final = (Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT)

INTERRUPT_AGAIN: Final = "Interrupted: stopping. Interrupt again to hand running jobs back at once"
"""What is printed on a terminal at the first Ctrl-C."""

HELD_BACK: Final = (*WORKER_SIGNALS, Signals.SIGUSR2)
"""The signals that must not hit a process before it is ready: one that is starting, or starting another."""

Handler = Callable[[int, FrameType | None], object]

PARENT_SECONDS: Final = 1.0
"""How often whoever is supervised looks whether its supervisor is still there."""
_STANDARD_ERROR: Final = 2


class Stoppable(Protocol):
    """Something that signals can stop: a worker."""

    def stop(self, *, now: bool = False) -> None:
        """Begin nothing more, and end soon; with *now*, at once."""

    def quiet(self) -> None:
        """Begin nothing more, but stay."""


class Handlers:
    """Signal handlers for this process alone: a forked copy has the default ones.

    Signals wait during a fork because of this story: a job forks a child, as by ``multiprocessing``, and terminates it
    at once, before the child has given up the handlers; so the signal goes into the socket that the child shares with
    its worker; the child lives on, and the worker stops.
    """

    def __init__(self, handlers: Mapping[Signals, Handler]) -> None:
        self._handlers = dict(handlers)
        self._before: dict[Signals, Any] = {}
        self._mask = _Mask()

    def take(self) -> None:
        """Handle the signals from now on."""
        for number, handler in self._handlers.items():
            self._before[number] = signal.signal(number, handler)
        os.register_at_fork(before=self._hold_back, after_in_parent=self._let_in, after_in_child=self._give_up)

    def give_back(self) -> None:
        """Give the signals back to their previous handlers."""
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _hold_back(self) -> None:
        self._mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, self._before)

    def _let_in(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask.before)

    def _give_up(self) -> None:
        for number in self._before:
            if signal.getsignal(number) is self._handlers[number]:  # else the job has set one that it wants
                signal.signal(number, signal.default_int_handler if number == Signals.SIGINT else signal.SIG_DFL)
        self._before.clear()
        self._let_in()


class _Mask(threading.local):
    """The signals that a forking thread was already blocking."""

    before: Iterable[int] = ()


class Mailbox:
    """Collects signals during the ``with`` block for its reader; then restores everything as it was.

    Only the main thread can enter and leave it; any one thread reads. Signals in *ignored* are not collected: nothing
    happens. (Not by the system's own way of ignoring them, which programs that jobs start would inherit.)
    """

    def __init__(self, signals: Iterable[Signals], *, ignored: Iterable[Signals] = ()) -> None:
        self._ignored = frozenset(ignored)
        self._signals = (*signals, *self._ignored)
        self._handlers = Handlers(dict.fromkeys(self._signals, do_nothing))
        self._is_open = False

    def __enter__(self) -> Self:
        self._reading, self._writing = socket.socketpair()
        self._writing.setblocking(False)
        self._descriptor_before = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=self._leave_to_the_parent)
        self._handlers.take()
        self._is_open = True
        # They were held back until now, so that none could hit a process that is not ready for it.
        self._mask_before = signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask_before)
        self._is_open = False
        self._handlers.give_back()
        signal.set_wakeup_fd(self._descriptor_before)
        self._close()

    def receive(self, seconds: float | None = None) -> list[Signals]:
        """Return the signals received, in order; wait for the first one at most *seconds*."""
        self._reading.settimeout(seconds)
        try:
            numbers = self._reading.recv(1024)
        except (TimeoutError, BlockingIOError):
            return []
        return [Signals(number) for number in numbers if number and number not in self._ignored]

    def wake(self) -> None:
        """Make ``receive`` return without a signal."""
        self._writing.send(b"\0")

    def _close(self) -> None:
        self._reading.close()
        self._writing.close()

    def _leave_to_the_parent(self) -> None:
        """Stop being a mailbox, in a copy of the process."""
        if not self._is_open:
            return
        self._is_open = False
        own = self._writing.fileno()
        if (descriptor := signal.set_wakeup_fd(-1)) != own:
            signal.set_wakeup_fd(descriptor)  # it is that of an event loop that the job runs
        self._close()


class WorkerSignals:
    """Passes signals to a worker during the ``with`` block, from ``hand_to`` on.

    TERM stops it, however often it comes; so does the first INT, and a second one stops it at once, as QUIT does. TSTP
    and USR1 make it quiet. USR2 writes the stacks of all threads to standard error. Under a supervisor, whose process
    id is *supervisor*, INT is ignored, and the worker stops when the supervisor is gone. Source: ecosystem.md 3.5.

    Until there is a worker, what would stop it ends the process with status 0, since it holds no job yet: at once, and
    without an exception, which the app's code might catch while it is imported.
    """

    def __init__(self, worker: Stoppable | None = None, *, supervisor: int | None = None) -> None:
        self._worker = worker
        self._supervisor = supervisor
        ignored = () if supervisor is None else (Signals.SIGINT,)
        self._mailbox = Mailbox([number for number in HELD_BACK if number not in ignored], ignored=ignored)
        self._leaving = threading.Event()
        self._handing = threading.Lock()
        self._is_to_be_quiet = False
        self._interrupted = False
        self._stays = False
        self._reader = threading.Thread(target=self._read, name="mongojobs-signals", daemon=True)

    def __enter__(self) -> Self:
        self._mailbox.__enter__()
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stays:
            return
        self._leaving.set()
        self._mailbox.wake()
        self._reader.join()
        self._mailbox.__exit__(kind, error, trace)

    def hand_to(self, worker: Stoppable) -> None:
        """Pass the signals to *worker* from now on."""
        with self._handing:
            self._worker = worker
        if self._is_to_be_quiet:
            worker.quiet()

    def stay(self) -> None:
        """Keep going after the ``with`` block: the process is about to end, and no later signal may change how."""
        self._stays = True

    def _read(self) -> None:
        while not self._leaving.is_set():
            for number in self._mailbox.receive(None if self._supervisor is None else PARENT_SECONDS):
                self._tell(number)
            if self._supervisor is not None and os.getppid() != self._supervisor:
                self._supervisor = None
                logger.warning("The supervisor of this worker is gone: stopping")
                self._tell(Signals.SIGTERM)

    def _tell(self, number: Signals) -> None:
        if number == Signals.SIGUSR2:
            _dump_stacks()
            return
        try:
            with self._handing:
                worker = self._worker
                if worker is None:
                    self._do_without_worker(number)
                    return
            self._obey(worker, number)
        except Exception:  # a plugin that hears of the stop may raise; the next signal must still be read
            logger.exception("A plugin raised while the worker handled %s", number.name)

    def _do_without_worker(self, number: Signals) -> None:
        if number in STOP_SIGNALS:
            os._exit(0)
        self._is_to_be_quiet = True

    def _obey(self, worker: Stoppable, number: Signals) -> None:
        match number:
            case Signals.SIGTERM:
                worker.stop()
            case Signals.SIGINT:
                if not self._interrupted:
                    logger.info(INTERRUPT_AGAIN)
                worker.stop(now=self._interrupted)
                self._interrupted = True
            case Signals.SIGQUIT:
                worker.stop(now=True)
            case _:
                worker.quiet()


def hold_back() -> None:
    """Block signals until something handles them: when this process starts, or before another program replaces it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)


def let_in() -> None:
    """Let signals take their default effect; as process 1 of a container, which TERM does not end, end on TERM too."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


def dump_stacks_on_demand() -> None:
    """From now on, write the stacks of all threads to standard error on USR2; for a process without WorkerSignals."""
    mailbox = Mailbox([Signals.SIGUSR2]).__enter__()
    signal.siginterrupt(Signals.SIGUSR2, False)  # system calls in C code go on

    def read() -> None:
        while True:
            if Signals.SIGUSR2 in mailbox.receive():
                _dump_stacks()

    threading.Thread(target=read, name="mongojobs-signals", daemon=True).start()


def _dump_stacks() -> None:
    """Write them while no other thread runs Python code, as `faulthandler.register` does not (CPython issue 116008)."""
    faulthandler.dump_traceback(file=_STANDARD_ERROR, all_threads=True)


def supervisor_of(environ: Mapping[str, str]) -> int | None:
    """Return the process id of the supervisor that started this process, if there is one.

    The variable holds it, so that a child notices even a supervisor that died while the child was starting; ``1`` says
    that there is one, without its number.
    """
    told = environ.get(SUPERVISED, "")
    if not told.isdigit() or told == "0":
        return None
    return int(told) if int(told) > 1 else os.getppid()


@contextmanager
def held_back() -> Iterator[None]:
    """Block signals in the block; a process started inside blocks them until it asks for them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Be a handler that does nothing: the socket, if there is one, reports the signal."""
