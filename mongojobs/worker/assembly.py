"""The parts of one worker, made and connected."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Final

from mongojobs.core.inside.log import Lines
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobQuarantined, Warned
from mongojobs.core.settings import Settings
from mongojobs.payload.calls.handler import Payloads
from mongojobs.process.supervisor import ChildCommand
from mongojobs.store.jobs import JobStore
from mongojobs.store.rows import source_of
from mongojobs.worker.children.runner import ChildRunner
from mongojobs.worker.connecting import Connections
from mongojobs.worker.finish.finisher import Finisher
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.liveness import Liveness
from mongojobs.worker.outage import Outage
from mongojobs.worker.rescue import Rescuer
from mongojobs.worker.reserving.demand import Demand
from mongojobs.worker.reserving.reserve import Reserver
from mongojobs.worker.reserving.suspects import SuspectIsolation
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.judgement import RunContext
from mongojobs.worker.run.runner import Runner
from mongojobs.worker.run.transaction import Transactions
from mongojobs.worker.stats_recorder import FEW_NOTICES, StatsRecorder
from mongojobs.worker.threads.background import join_all, start_threads
from mongojobs.worker.threads.cancel_watch import CancelWatch
from mongojobs.worker.threads.event_loop import LoopWatch
from mongojobs.worker.threads.heartbeat import Heartbeat
from mongojobs.worker.threads.log_writer import LogWriter
from mongojobs.worker.threads.slots import Slots
from mongojobs.worker.threads.ticker import Ticker
from mongojobs.worker.threads.timekeeper import Timekeeper

LOGS: Final = "mongojobs-logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """What a worker has from the beginning, before the database has answered."""

    settings: Settings
    payloads: Payloads
    reporter: Reporter
    child: ChildCommand | None
    liveness: Liveness
    outage: Outage
    stats: StatsRecorder
    stopping: threading.Event = field(default_factory=threading.Event)
    hurry: threading.Event = field(default_factory=threading.Event)
    """Whether to stop without waiting for the running jobs."""
    quiet: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a worker from its start to its stop."""

    context: WorkerContext
    connections: Connections
    in_flight: InFlight
    reserver: Reserver
    demand: Demand
    rescuer: Rescuer
    runner: Runner
    slots: Slots
    logs: Logs
    finisher: Finisher
    loop_watch: LoopWatch
    heartbeat: Heartbeat
    timekeeper: Timekeeper
    threads: list[threading.Thread] = field(default_factory=list)
    """Those that mind the jobs and write results, once they are started."""

    def start_minding(self) -> None:
        """Start renewing locks, enforcing time limits, and counting."""
        self.heartbeat.on_cancelled = self.timekeeper.cancel
        targets = {"mongojobs-heartbeat": self.heartbeat.run, "mongojobs-timekeeper": self.timekeeper.run}
        if self.connections.stats is not None:
            self.context.stats.begin(self.connections.stats, self.connections.opened_at)
            targets["mongojobs-statistics"] = self.context.stats.run
        self.threads.extend(start_threads(targets))

    def start_working(self, cancel_watch: CancelWatch) -> None:
        """Begin to run jobs, to write results, and to hear of cancellations."""
        targets = {"mongojobs-finisher": self.finisher.run}
        if self.connections.open_cancelled is not None:
            targets["mongojobs-cancelling"] = cancel_watch.run
        self.threads.extend(start_threads(targets))
        self.slots.grow(self.context.settings.threads, is_async=False)

    def start_ticking(self, ticker: Ticker) -> None:
        """Begin to enqueue the jobs of schedules."""
        self.threads.extend(start_threads({"mongojobs-schedules": ticker.run}))

    def stop_minding(self) -> None:
        """Let the heartbeat, the timekeeper, the counting and the storing of log lines end."""
        self.logs.stop()
        self.context.stats.end()
        self.heartbeat.stop()
        self.timekeeper.stop()

    def join(self, timeout: float) -> bool:
        """Wait for all threads that were told to end, and end the event loop; False if some have not ended in time."""
        slots = chain.from_iterable(self.slots.threads.values())
        return join_all([*self.threads, *slots], timeout) and self.loop_watch.close(timeout)


class Logs:
    """What stores log lines, made with the first job that keeps its log, its thread among *threads*."""

    def __init__(self, make: Callable[[], LogWriter], threads: list[threading.Thread]) -> None:
        self._make = make
        self._threads = threads
        self._context = copy_context()  # of the worker: that of the first job may hold its transaction
        self._making = threading.Lock()
        self._writer: LogWriter | None = None

    def open(self, held: InFlightJob, clean: Callable[[str], str]) -> Lines:
        """Return what takes the lines of the run of *held*; *clean* takes the job's secrets out of a text."""
        with self._making:
            if self._writer is None:
                self._writer = self._make()
                self._threads.extend(self._context.run(start_threads, {LOGS: self._writer.run}))
        return self._writer.open(held, clean)

    def close(self, held: InFlightJob) -> None:
        """Store the last lines of the run, which has ended, if it has logged any."""
        if self._writer is not None:
            self._writer.close(held)

    def stop(self) -> None:
        """Let the thread end once it has stored what is left."""
        if self._writer is not None:
            self._writer.stop()

    def join(self, timeout: float) -> None:
        """Wait until it has."""
        join_all([thread for thread in self._threads if thread.name == LOGS], timeout)


def assemble(
    context: WorkerContext,
    connections: Connections,
    *,
    on_end: Callable[[], object] | None = None,
    on_stuck: Callable[[], object] = lambda: None,
) -> Parts:
    """Make the parts of a worker; *on_end* may be called after each run, *on_stuck* is for one that nothing can end."""
    store, settings, reporter, outage = connections.store, context.settings, context.reporter, context.outage
    _listen_to(store, context)
    threads: list[threading.Thread] = []
    logs = Logs(lambda: LogWriter(connections.logs, reporter, outage), threads)
    in_flight, heartbeat, loop_watch, timekeeper, runner = _what_runs(context, connections, logs, on_stuck)
    finisher = Finisher(store, in_flight, reporter, outage, on_written=partial(context.stats.count, few=FEW_NOTICES))
    reserver = Reserver(store, connections.pauses, settings, by=reporter.name)
    suspects = SuspectIsolation(in_flight, settings.lease.total_seconds())
    return Parts(
        context=context,
        connections=connections,
        in_flight=in_flight,
        reserver=reserver,
        demand=Demand(in_flight, reserver, suspects, runner, stopping=context.stopping, on_alone=heartbeat.beat_soon),
        rescuer=Rescuer(store, reporter, settings, outage),
        runner=runner,
        slots=Slots(in_flight, runner, finisher, reporter, on_end=on_end),
        logs=logs,
        finisher=finisher,
        loop_watch=loop_watch,
        heartbeat=heartbeat,
        timekeeper=timekeeper,
        threads=threads,
    )


def _what_runs(
    context: WorkerContext, connections: Connections, logs: Logs, on_stuck: Callable[[], object]
) -> tuple[InFlight, Heartbeat, LoopWatch, Timekeeper, Runner]:
    """Make what holds the jobs, what minds their locks, their event loop and their limits, and what runs them."""
    payloads, settings, reporter = context.payloads, context.settings, context.reporter

    def end(held: InFlightJob) -> object:
        return runner.abort(held) or on_stuck()

    in_flight = InFlight(threads=settings.threads, async_concurrency=settings.async_concurrency)
    heartbeat = Heartbeat(lambda: connections.holding, in_flight, reporter, settings, context.outage)
    loop_watch = LoopWatch(in_flight, reporter)
    timekeeper = Timekeeper(in_flight, reporter, settings, on_stuck=end, excuses=loop_watch.excuses)
    transactions = Transactions(connections.of_app, heartbeat, payloads, settings)
    clock = connections.store.clock
    runs = RunContext(payloads, settings, reporter, clock, transactions, heartbeat.store_now, source_of, logs)
    if context.child is None:
        runner = Runner(runs, watch=timekeeper.watch, loop=loop_watch.loop)
    else:
        runner = ChildRunner(runs, watch=timekeeper.watch, command=context.child)
    return in_flight, heartbeat, loop_watch, timekeeper, runner


def _listen_to(store: JobStore, context: WorkerContext) -> None:
    """Tell the worker what the store has to say besides its answers."""
    reporter = context.reporter
    store.queries.on_warning = lambda message: reporter.tell(Warned, message)
    store.queries.on_damaged = lambda damaged: reporter.tell(JobQuarantined, damaged.job_id, damaged.reason)
    store.queries.on_merged = context.stats.count_merged
