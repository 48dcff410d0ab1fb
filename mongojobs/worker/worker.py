"""A worker: it starts, is told to be quiet or to stop, and exits without losing anything."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from mongojobs.core.job import JobId
from mongojobs.core.lifecycle import Lifecycle, Reporter
from mongojobs.core.limits import LONGEST_NAME
from mongojobs.core.notices import RunEnded, WorkerRecycling, WorkerStarted, WorkerStopped, WorkerStopping
from mongojobs.core.settings import Settings
from mongojobs.payload.calls.handler import Payloads
from mongojobs.process.green_threads import refuse_green_threads
from mongojobs.process.memory import measured, recycle_reason
from mongojobs.process.supervisor import ChildCommand
from mongojobs.store.faults import unavailable
from mongojobs.store.jobs import JobStore
from mongojobs.store.workers import WorkerOrder
from mongojobs.worker.assembly import Parts, WorkerContext, assemble
from mongojobs.worker.connecting import Connecting, Connections
from mongojobs.worker.inline import OneJobLoop, ends_of_runs, work_off
from mongojobs.worker.liveness import Liveness
from mongojobs.worker.loop import ReserveLoop
from mongojobs.worker.outage import Outage
from mongojobs.worker.presence import Presence
from mongojobs.worker.shutdown import Shutdown
from mongojobs.worker.stats_recorder import StatsRecorder
from mongojobs.worker.threads.background import background_thread
from mongojobs.worker.threads.ticker import Ticker

if TYPE_CHECKING:
    from mongojobs.schedules.ticks import Ticks

STUCK_EXIT_STATUS: Final = 70


class MakeTicks(Protocol):
    """Makes what enqueues the jobs of schedules into a store."""

    def __call__(self, store: JobStore, /, *, worker: str) -> Ticks:
        """Return it, in the name of *worker*."""
        ...


class JobWorker:
    """Works off the jobs of one collection, in one process.

    ``start`` works until ``stop``; ``work_off`` runs what is due and returns. *connect* opens the connections and
    raises StoreUnavailableError where that fails; *make_ticks* makes what enqueues the jobs of schedules. With *child*,
    the command that starts one, jobs run in children.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Connections],
        payloads: Payloads,
        lifecycle: Lifecycle,
        settings: Settings,
        make_ticks: MakeTicks,
        child: ChildCommand | None = None,
    ) -> None:
        self.settings = settings
        self.name: str = (settings.prefix + (settings.name or _unique_name()))[:LONGEST_NAME]
        self.liveness: Liveness = Liveness()
        self.has_stuck_threads: bool = False
        """Whether code of jobs, or a call to a database that hangs, outlives ``start``: leave by ``os._exit`` then."""
        self._reporter = reporter = Reporter(lifecycle, self.name, self)
        outage = Outage(reporter)
        self._context = WorkerContext(
            settings=settings,
            payloads=payloads,
            reporter=reporter,
            child=child,
            outage=outage,
            stats=StatsRecorder(reporter, outage),
            liveness=self.liveness,
        )
        self._stopping = self._context.stopping
        self._connect = connect
        self._make_ticks = make_ticks
        self._patience = settings.enqueue_timeout if settings.exit_on_complete else None
        self._connecting: Connecting | None = None
        self._parts: Parts | None = None
        self._loop: ReserveLoop | None = None
        self._presence: Presence | None = None
        self._ticker: Ticker | None = None
        self._only: JobId | None = None
        self._on_end = self._recycle_in_time if child is None and (settings.max_jobs or settings.max_memory) else None
        self._runs = itertools.count(1)
        self._is_recycling = self._is_stuck = False

    def __str__(self) -> str:
        return self.name

    @property
    def is_dismissed(self) -> bool:
        """Whether this very worker was told to stop, through its document, and must not be restarted."""
        return self._presence is not None and "stop" in self._presence.obeyed

    @property
    def is_stopping(self) -> bool:
        """Whether it has been told to stop."""
        return self._stopping.is_set()

    @property
    def connections(self) -> Connections | None:
        """Its connections, once the database has answered."""
        return None if self._parts is None else self._parts.connections

    def start(self) -> int:
        """Work until told to stop, and return the exit status of the process: 0, or 70 if a job would not return.

        Waits for a database that is away; with ``exit_on_complete`` no longer than an enqueue would. Raises
        StoreUnavailableError after that, and when the database refuses at the start, ServerTooOldError, and NotRunError
        when a plugin around ``execute`` does not proceed.
        """
        return self._reporter.run_surely("execute", body=self._execute)

    def stop(self, *, now: bool = False) -> None:
        """Reserve no more jobs, let the running ones end in time, and let ``start`` return; from any thread.

        With *now* the running jobs are interrupted and handed back at once.
        """
        if now:
            self._context.hurry.set()
        is_first = not self._stopping.is_set()
        self._stopping.set()
        if self._connecting is not None:
            self._connecting.give_up()
        if self._parts is not None:
            self._parts.in_flight.close()
        if self._loop is not None:
            self._loop.wakeup.wake()
        if self._ticker is not None:
            self._ticker.wake()
        if is_first:
            running = () if self._parts is None or now else self._parts.in_flight.running()
            seconds = self.settings.shutdown_timeout.total_seconds()
            self._reporter.tell(WorkerStopping, tuple(str(held.job) for held in running), seconds)

    def quiet(self) -> None:
        """Reserve no more jobs, but stay and finish those that are running."""
        self._context.quiet.set()

    def work_off(self, limit: int = 100) -> tuple[int, int]:
        """Run up to *limit* due jobs here, one after another; return successes and failures.

        An unreachable database ends it with what was done so far. Source: delayed_job.
        """
        refuse_green_threads()
        return work_off(assemble(self._context, self._connect(), on_end=self._on_end), limit)

    def run_one(self, job_id: JobId) -> RunEnded | None:
        """Run this job here once, due or not, even if its queue is paused; return how it ended.

        None if another worker has it. A stop goes as that of ``start``, and so do the errors.
        """
        self._only = job_id
        self.quiet()
        with ends_of_runs(self._reporter) as ends:
            self.start()
        return ends[-1] if ends else None

    def _try_to_connect(self) -> Connections:
        self.liveness.beat()
        return self._connect()

    def _execute(self) -> int:
        refuse_green_threads()
        connecting = self._connecting = Connecting(
            self._try_to_connect, self._context.outage, self._stopping, patience=self._patience
        )
        connections = connecting.run()
        if connections is None:
            self.has_stuck_threads = connecting.hangs
            return 0
        parts = self._parts = assemble(self._context, connections, on_end=self._on_end, on_stuck=self._on_stuck)
        loop = self._loop = self._make_loop(parts)
        self._ticker = self._make_ticker(connections.store)
        released = self._work(parts, loop)
        self._reporter.tell(WorkerStopped, released)
        if loop.given_up_on is not None:
            raise unavailable(loop.given_up_on) from loop.given_up_on
        return STUCK_EXIT_STATUS if self._is_stuck else 0

    def _make_loop(self, parts: Parts) -> ReserveLoop:
        if self._only is not None:
            return OneJobLoop(parts, self._only, stop=self.stop, patience=self._patience)
        self._reporter.tell(WorkerStarted, _worth_reading(self.settings))
        return ReserveLoop(parts, stop=self.stop, patience=self._patience)

    def _make_ticker(self, store: JobStore) -> Ticker | None:
        """Return what ticks; None for one that leaves schedules to others, as one that soon exits."""
        if not self.settings.schedules or self.settings.exit_on_complete or self._only is not None:
            return None
        context, ticks = self._context, self._make_ticks(store, worker=self.name)
        return Ticker(ticks, context.reporter, context.outage, stopping=context.stopping, quiet=context.quiet)

    def _work(self, parts: Parts, loop: ReserveLoop) -> int:
        """Work until told to stop; return how many started jobs were handed back."""
        presence = self._presence = Presence(parts, self._obey, self._ticker)
        parts.heartbeat.beat = presence.beat
        reserving = background_thread(loop.run, "mongojobs-worker")
        shutdown = Shutdown(parts, loop.wakeup, loop.cancel_watch)
        released = 0
        try:
            parts.start_minding()
            parts.start_working(loop.cancel_watch)
            loop.wakeup.start()
            if self._ticker is not None:
                parts.start_ticking(self._ticker)
            reserving.start()
            self._stopping.wait()
        finally:
            self.stop()
            released = shutdown.run(reserving, presence.leave)
            self.has_stuck_threads = shutdown.has_left_threads
        return released

    def _obey(self, order: WorkerOrder) -> None:
        self.stop() if order == "stop" else self.quiet()

    def _on_stuck(self) -> None:
        """Let the process end, as nothing else ends a thread that does not return."""
        if not self._stopping.is_set():
            self._is_stuck = True
        self.stop()

    def _recycle_in_time(self) -> None:
        """Exit once this process has run or used as much as it may, after its running jobs have ended."""
        runs, memory = next(self._runs), measured(self.settings)
        reason = recycle_reason(self.settings, runs=runs, memory=memory)
        if reason and not self._is_recycling and not self._stopping.is_set():
            self._is_recycling = True
            self._reporter.tell(WorkerRecycling, reason)
            self.quiet()
            self._drain()
        if self._is_recycling and (self._parts is None or not self._parts.in_flight.running()):
            self.stop()

    def _drain(self) -> None:
        """Start nothing more, and hand back what is waiting."""
        if self._parts is not None:
            self._parts.in_flight.close()
            self._parts.in_flight.return_waiting()
            self._parts.heartbeat.look()


def _unique_name() -> str:
    """Return a label that no other worker has: containers share host names and process ids. Source: delayed_job#866."""
    return f"host:{socket.gethostname()} pid:{os.getpid()} id:{secrets.token_hex(3)}"


def _worth_reading(settings: Settings) -> str:
    queues = ",".join(settings.queues) or "all"
    executor = "" if settings.executor == "thread" else f" executor={settings.executor}"
    return f"queues={queues} threads={settings.threads}{executor}"
