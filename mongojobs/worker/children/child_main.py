"""The inside of a child process: it runs the jobs that its worker sends, one after another, in its main thread."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import queue
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn, TypeVar

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.inside.record import Means
from mongojobs.core.job import Document, Job
from mongojobs.core.lifecycle import Lifecycle, Reporter
from mongojobs.core.notices import CallbackRaised, Notice
from mongojobs.core.settings import Settings
from mongojobs.payload.calls.handler import Call, Payloads
from mongojobs.process.memory import measured
from mongojobs.process.signals import WORKER_SIGNALS, Handlers, do_nothing, dump_stacks_on_demand
from mongojobs.store.documents import to_job
from mongojobs.store.jobs import JobStore
from mongojobs.store.rows import source_of
from mongojobs.worker.children import messages
from mongojobs.worker.children.channel import Channel
from mongojobs.worker.children.lines import LineSender
from mongojobs.worker.children.telling import Telling
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.judgement import RunContext
from mongojobs.worker.run.overrides import Overrides
from mongojobs.worker.run.runner import Runner
from mongojobs.worker.run.transaction import Transactions
from mongojobs.worker.threads.event_loop import EventLoop

T = TypeVar("T")

CLOSE_SECONDS: Final = 0.2
CUT_OFF_STATUS: Final = 74
"""The exit status of a child that cannot reach its worker. Source: sysexits.h, EX_IOERR."""


def end_with_the_worker(life: int) -> None:
    """Make the kernel end this process when the far end of the pipe *life* closes, whatever code is running then.

    And with it all of its group: what its jobs have started. Nobody else is in that group.
    """
    os.set_inheritable(life, False)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGIO])
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp() if _has_own_group() else os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:  # it has closed before: nobody will tell
        os._exit(CUT_OFF_STATUS)


def _has_own_group() -> bool:
    return os.getpgrp() == os.getpid()


def leave_signals_to_the_worker() -> None:
    """Ignore the signals that stop a worker, which platforms send to all processes.

    By a handler, since what is ignored would be ignored in the processes that jobs start too.
    """
    Handlers(dict.fromkeys(WORKER_SIGNALS, do_nothing)).take()
    for number in WORKER_SIGNALS:
        signal.siginterrupt(number, False)  # system calls in C code go on
    dump_stacks_on_demand()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WORKER_SIGNALS)


class ChildMain:
    """Serves the worker at the other end of the socket *connection* (a descriptor)."""

    def __init__(
        self,
        connection: int,
        payloads: Payloads,
        settings: Settings,
        lifecycle: Lifecycle,
        store: Callable[[], JobStore],
    ) -> None:
        # What jobs start must not have it: a crash here would not be seen at the other end.
        os.set_inheritable(connection, False)
        self._channel = Channel(socket.socket(fileno=connection))
        os.register_at_fork(after_in_child=self._channel.close)
        self._worker = os.getppid()
        self._settings = settings
        self._jobs: queue.SimpleQueue[InFlightJob | None] = queue.SimpleQueue()
        self._held: InFlightJob | None = None
        self._stopping = threading.Event()
        self._clock = _WorkersClock()
        self._events = _Events(lifecycle, lambda notice: self._channel.send(messages.complaint(notice)))
        self._telling = Telling(self._channel.send)
        self._event_loop = EventLoop()
        self._main_thread = threading.get_ident()
        self._renewals = _WorkersRenewals(self._channel)
        reporter, transactions = Reporter(self._events, ""), Transactions(store, self._renewals, payloads, settings)
        logs = LineSender(self._channel.send)
        context = RunContext(payloads, settings, reporter, self._clock, transactions, self._save, source_of, logs)
        self._runner = Runner(context, watch=self._tell_limit, loop=self._event_loop.get)

    def serve(self) -> None:
        """Run jobs until the worker closes the connection; for the main thread."""
        threading.Thread(target=self._read, name="mongojobs-channel", daemon=True).start()
        with suppress(OSError):  # the worker is gone, as the reader will find out
            self._channel.send(messages.READY)
        while (held := self._jobs.get()) is not None:
            outcome = self._runner.run(held)
            self._runner.close_log(held)
            self._held = None
            ended = messages.outcome(outcome, self._events.take())
            try:
                self._channel.send(
                    ended | {"told": held.record and self._telling.end(), "memory": measured(self._settings)}
                )
            except OSError:
                os._exit(CUT_OFF_STATUS)  # the worker is gone, or the job has closed all files
        self._event_loop.close(CLOSE_SECONDS)

    def _read(self) -> None:
        """Do what the worker says: the body of a thread."""
        while (message := self._receive()) is not None:
            self._obey(message)
        if self._held is not None:
            self._leave()  # nobody is there any more who could write its result
        self._jobs.put(None)

    def _leave(self) -> NoReturn:
        """End at once, together with everything that jobs have started if the worker is not there to do that."""
        if os.getppid() != self._worker and _has_own_group():
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(CUT_OFF_STATUS)

    def _receive(self) -> Document | None:
        try:
            return self._channel.receive()
        except OSError:
            return None

    def _obey(self, message: Document) -> None:
        match message["kind"]:
            case "run":
                self._clock.set(message["now"])
                held = InFlightJob(
                    to_job(message["job"]), expires=float("inf"), is_async=False, stopping=self._stopping
                )
                held.started = monotonic_seconds()
                held.means, held.transactions = self._means, self._runner.context.transactions
                if message["exception"] is not None:
                    held.interruption.interrupt(messages.INTERRUPTIONS[message["exception"]])
                self._held = held
                self._jobs.put(held)
            case "interrupt" if self._held is not None:
                self._interrupt(self._held, message)
            case "paused":
                self._renewals.note_paused(is_ours=message["is_ours"])
            case "lost" if self._held is not None:
                self._held.is_given_up = True
            case "saved":
                self._telling.answer(message["number"], is_ours=message["is_ours"])
            case "stopping":
                self._stopping.set()
            case _:
                pass  # an interruption of a run that has ended

    def _means(self, held: InFlightJob) -> Means:
        """Return what the record of *held* needs: here, the worker hears of each move."""
        return dataclasses.replace(
            self._runner.means(held),
            on_move=self._telling.note,
            on_aside=lambda rows, row, deaths: self._channel.send(messages.aside(rows, row, deaths)),
        )

    def _interrupt(self, held: InFlightJob, message: Document) -> None:
        """Interrupt the run; that of a job that was cancelled, even while it waits in the system."""
        cancellation = message["cancellation"]
        if cancellation is not None:
            held.job.note_cancellation(cancellation)
        if held.interruption.interrupt(messages.INTERRUPTIONS[message["exception"]]) and cancellation is not None:
            signal.pthread_kill(self._main_thread, signal.SIGTERM)  # any signal with a handler ends a sleep

    def _save(self, held: InFlightJob) -> bool:
        return held.record is None or self._telling.save(held.record)

    def _tell_limit(self, held: InFlightJob) -> None:
        """Report the job object's own limits, as nobody can ask once the job is stuck; the worker knows all others."""
        if held.call is not None:
            self._channel.send(messages.limit(held.limit, self._max_attempts(held.job, held.call)))

    def _max_attempts(self, job: Job, call: Call) -> int | None:
        try:
            return Overrides(job, call, call.declaration, self._settings, lambda _name, _error: None).max_attempts()
        except BaseException:  # noqa: BLE001 - it may raise anything; it is asked again when it matters, and then told
            return None


class _Events(Lifecycle):
    """The lifecycle in the child: ``invoke_job`` happens here; the worker is told about everything else."""

    def __init__(self, lifecycle: Lifecycle, report_exception: Callable[[CallbackRaised], None]) -> None:
        super().__init__()
        self._lifecycle = lifecycle
        self.watched = lifecycle.watched
        self._report_exception = report_exception
        self._seen: list[str] = []

    def run(self, event: str, *arguments: object, body: Callable[[], T]) -> T:  # noqa: ARG002 - the worker repeats it with its own
        if event in messages.REPEATED:
            self._seen.append(event)
        return body()

    def run_surely(self, event: str, *arguments: object, body: Callable[[], T]) -> T:
        return self._lifecycle.run_surely(event, *arguments, body=body)

    def notify(self, notice: Notice, *, is_foretold: bool = False) -> None:  # noqa: ARG002 - nothing is foretold here
        if isinstance(notice, CallbackRaised):
            self._report_exception(notice)

    def take(self) -> list[str]:
        """Return the events since the last call that must be repeated in the worker."""
        seen, self._seen = self._seen, []
        return seen


class _WorkersRenewals:
    """The renewals of the lock, which are the worker's business."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._answered = threading.Event()
        self._is_ours = False

    def pause(self, held: InFlightJob) -> bool:
        """Have the lock of *held* renewed for a whole transaction, and then left alone; False if that failed."""
        self._answered.clear()
        self._channel.send(messages.PAUSE)
        self._answered.wait()
        held.is_in_transaction = self._is_ours
        return self._is_ours

    def note_paused(self, *, is_ours: bool) -> None:
        """Pass on the worker's answer."""
        self._is_ours = is_ours
        self._answered.set()

    def resume(self, held: InFlightJob) -> None:
        """Have the lock renewed again."""
        held.is_in_transaction = False
        self._channel.send(messages.RESUME)

    def note_committed(self, held: InFlightJob) -> None:  # noqa: ARG002 - the job knows by itself
        """Let the worker know that the end of the job is stored, whatever becomes of this process."""
        self._channel.send(messages.COMMITTED)


class _WorkersClock:
    """The server's time as last reported by the worker, carried on."""

    def __init__(self) -> None:
        self.set(datetime.fromtimestamp(0, UTC))

    def set(self, now: datetime) -> None:
        """Set the time to *now*."""
        self._told = now, time.monotonic()

    def now(self) -> datetime:
        """Return the server's time."""
        moment, since = self._told
        return moment + timedelta(milliseconds=int((time.monotonic() - since) * 1000))
