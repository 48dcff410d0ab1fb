"""What works for one worker, made and joined."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobQuarantined, Warned
from mongojobs.core.settings import Settings
from mongojobs.payload.calls.handler import Payloads
from mongojobs.process.supervisor import ChildCommand
from mongojobs.store.jobs import JobStore, QueueSelector
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
from mongojobs.worker.reserving.wakeup import Wakeup
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.judgement import RunContext
from mongojobs.worker.run.runner import Runner
from mongojobs.worker.stats_recorder import StatsRecorder
from mongojobs.worker.threads.background import background_thread, background_threads, join_all
from mongojobs.worker.threads.event_loop import EventLoop, LoopWatch
from mongojobs.worker.threads.heartbeat import Heartbeat
from mongojobs.worker.threads.slots import Slots
from mongojobs.worker.threads.timekeeper import Timekeeper


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
    """Whether the stop is not to wait for the jobs that run."""
    quiet: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What works for a worker from its start to its stop."""

    context: WorkerContext
    connections: Connections
    in_flight: InFlight
    reserver: Reserver
    demand: Demand
    rescuer: Rescuer
    wakeup: Wakeup
    runner: Runner
    slots: Slots
    finisher: Finisher
    event_loop: EventLoop
    loop_watch: LoopWatch
    heartbeat: Heartbeat
    timekeeper: Timekeeper
    minders: tuple[threading.Thread, ...]
    """The threads that keep locks alive, and time limits, and store what is counted."""
    writer: threading.Thread

    def start_minding(self) -> None:
        """Begin to keep locks alive, and time limits, and to count."""
        if self.connections.stats is not None:
            self.context.stats.begin(self.connections.stats)
        for thread in self.minders:
            thread.start()

    def start_working(self) -> None:
        """Begin to run jobs, write results and listen for new jobs."""
        self.writer.start()
        self.wakeup.start()
        self.slots.grow(self.context.settings.threads, is_async=False)

    def stop_minding(self) -> None:
        """Let the heartbeat, the timekeeper and the counting end."""
        self.context.stats.end()
        self.heartbeat.stop()
        self.timekeeper.stop()
        self.loop_watch.stop()

    def join(self, timeout: float) -> bool:
        """Wait for all threads that were told to end; false if some have not by then."""
        slots = chain.from_iterable(self.slots.threads.values())
        return join_all([*self.minders, self.writer, *self.loop_watch.threads, *slots], timeout)


def assemble(
    context: WorkerContext,
    connections: Connections,
    *,
    on_end: Callable[[], object] | None = None,
    on_stuck: Callable[[], object] = lambda: None,
) -> Parts:
    """Make the parts of a worker; *on_end* may be called after each run, *on_stuck* is for one that nothing can end."""
    store, settings, reporter, outage = connections.store, context.settings, context.reporter, context.outage
    _report_damage(store, reporter)
    in_flight = InFlight(threads=settings.threads, async_concurrency=settings.async_concurrency)
    heartbeat = Heartbeat(connections.holding, in_flight, reporter, settings, outage)

    def end(held: InFlightJob) -> object:
        return runner.abort(held) or on_stuck()

    loop_watch = LoopWatch(EventLoop(), in_flight, reporter)
    timekeeper = Timekeeper(in_flight, reporter, settings, on_stuck=end, excuses=loop_watch.excuses)
    runner = _make_runner(context, store, timekeeper, loop_watch)
    finisher = Finisher(store, in_flight, reporter, outage)
    reserver = Reserver(store, connections.pauses, settings, by=reporter.name)
    return Parts(
        context=context,
        connections=connections,
        in_flight=in_flight,
        reserver=reserver,
        demand=_make_demand(context, in_flight, reserver, runner, heartbeat),
        rescuer=Rescuer(store, reporter, settings, outage),
        wakeup=_make_wakeup(connections, reserver.scope.wanted, reporter, settings),
        runner=runner,
        slots=Slots(in_flight, runner, finisher, reporter, on_end=on_end),
        finisher=finisher,
        event_loop=loop_watch.event_loop,
        loop_watch=loop_watch,
        heartbeat=heartbeat,
        timekeeper=timekeeper,
        minders=_minders(heartbeat, timekeeper, context.stats if connections.stats else None),
        writer=background_thread(finisher.run, "mongojobs-finisher"),
    )


def _report_damage(store: JobStore, reporter: Reporter) -> None:
    store.queries.on_warning = lambda message: reporter.tell(Warned, message)
    store.queries.on_damaged = lambda damaged: reporter.tell(JobQuarantined, damaged.job_id, damaged.reason)


def _make_runner(context: WorkerContext, store: JobStore, timekeeper: Timekeeper, loop_watch: LoopWatch) -> Runner:
    runs = RunContext(context.payloads, context.settings, context.reporter, store.clock)
    if context.child is None:
        return Runner(runs, watch=timekeeper.watch, loop=loop_watch.loop)
    return ChildRunner(runs, watch=timekeeper.watch, command=context.child)


def _make_demand(
    context: WorkerContext, in_flight: InFlight, reserver: Reserver, runner: Runner, heartbeat: Heartbeat
) -> Demand:
    suspects = SuspectIsolation(in_flight, context.settings.lease.total_seconds())
    return Demand(in_flight, reserver, suspects, runner, stopping=context.stopping, on_alone=heartbeat.beat_soon)


def _make_wakeup(connections: Connections, wanted: QueueSelector, reporter: Reporter, settings: Settings) -> Wakeup:
    open_stream = connections.open_stream
    return Wakeup(
        None if open_stream is None else partial(open_stream, wanted),
        connections.store.clock,
        reporter,
        sleep_delay=settings.sleep_delay.total_seconds(),
    )


def _minders(heartbeat: Heartbeat, timekeeper: Timekeeper, stats: StatsRecorder | None) -> tuple[threading.Thread, ...]:
    targets = {"mongojobs-heartbeat": heartbeat.run, "mongojobs-timekeeper": timekeeper.run}
    return background_threads(targets if stats is None else targets | {"mongojobs-statistics": stats.run})
