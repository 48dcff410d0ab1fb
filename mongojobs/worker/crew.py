"""The parts of a worker, joined: what it holds, and the threads that work on that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import JobQuarantined, Warned
from mongojobs.core.settings import Settings
from mongojobs.payload.calls.handler import Payloads
from mongojobs.process.supervisor import ChildCommand
from mongojobs.store.jobs import EPOCH, JobStore, QueueSelector
from mongojobs.store.pauses import PauseStore
from mongojobs.store.stats import StatsStore
from mongojobs.store.stream import JobStream
from mongojobs.store.workers import WorkerStore
from mongojobs.worker.children.runner import ChildRunner
from mongojobs.worker.finish import Finisher
from mongojobs.worker.heartbeat import LONG_RUN_SECONDS, Heartbeat
from mongojobs.worker.inflight import InFlight, InFlightJob
from mongojobs.worker.outage import Outage
from mongojobs.worker.rescue import Rescuer
from mongojobs.worker.reserving.reserve import Reserver
from mongojobs.worker.reserving.scope import ReserveScope
from mongojobs.worker.reserving.suspects import SuspectIsolation
from mongojobs.worker.reserving.wakeup import Wakeup
from mongojobs.worker.run.runner import Runner
from mongojobs.worker.stats_recorder import Statistics
from mongojobs.worker.threads.background import background_thread
from mongojobs.worker.threads.loop_watch import LoopWatch
from mongojobs.worker.threads.slots import EventLoop, Slots
from mongojobs.worker.threads.timekeeper import Timekeeper

HOLD_OFF_SECONDS = 1.0
"""How long to look only for room for jobs of one kind after more of it came than there was room for."""

LISTENING_FACTOR: Final = 6
"""How many times ``sleep_delay`` may pass between two looks while a change stream tells of new jobs."""

NO_ROOM: Final = -(2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """A worker's ways to the database: the heartbeat's is its own, so that nothing else can hold it up."""

    store: JobStore
    heartbeat_store: JobStore
    workers: WorkerStore
    pauses: PauseStore
    stats: StatsStore | None
    """Where figures about runs go; None where none are wanted."""
    open_stream: Callable[[QueueSelector], JobStream] | None
    """Opens a change stream; None where the server has none."""
    close: Callable[[], None]
    opened_at: datetime


class Crew:
    """Everything that works for one worker, from its start to its stop."""

    is_alone = False
    """Whether nothing was to be begun beside a suspect, or to let one in, when it was last looked."""

    def __init__(
        self,
        connections: Connections,
        payloads: Payloads,
        lifecycle: Lifecycle,
        settings: Settings,
        *,
        worker: object,
        outage: Outage,
        statistics: Statistics,
        stopping: threading.Event,
        beat: Callable[[], None],
        on_stuck: Callable[[InFlightJob], None],
        on_end: Callable[[], None],
        child: ChildCommand | None,
    ) -> None:
        name, store = str(worker), connections.store
        self._payloads = payloads
        self._has_children = child is not None
        self._stopping = stopping
        self._sleep_delay = settings.sleep_delay
        for one in (store, connections.heartbeat_store):
            one.queries.on_warning = lambda message: lifecycle.notify(Warned(name, message))
            one.queries.on_damaged = lambda damaged: lifecycle.notify(
                JobQuarantined(name, damaged.job_id, damaged.reason)
            )
        self._overflowing_until = {False: 0.0, True: 0.0}
        self._async_seen = False
        self._ahead = 0
        """How many jobs might wait for a slot when the last reserve was made; its answer has changed that since."""
        self.looked_at = EPOCH
        """When the last reserve was about to begin: it found all that was due then."""
        self.store = store
        self.outage = outage
        self.statistics = statistics
        self.in_flight = InFlight(threads=settings.threads, async_concurrency=settings.async_concurrency)
        self.suspects = SuspectIsolation(self.in_flight, settings.lease.total_seconds())
        wanted = QueueSelector(
            queues=settings.queues, min_priority=settings.min_priority, max_priority=settings.max_priority
        )
        self.choice = ReserveScope(store, connections.pauses, wanted)
        self.reserver = Reserver(store, self.choice, settings, by=name)
        self.rescuer = Rescuer(store, lifecycle, settings, outage, worker=name)
        self.finisher = Finisher(store, self.in_flight, lifecycle, outage, worker=name)
        self.heartbeat = Heartbeat(
            connections.heartbeat_store, self.in_flight, lifecycle, settings, outage, worker=name, beat=beat
        )
        self.event_loop = EventLoop()
        self.loop_watch = LoopWatch(self.event_loop, self.in_flight, lifecycle, worker=name)
        self.timekeeper = Timekeeper(
            self.in_flight, lifecycle, settings, worker=name, on_stuck=on_stuck, excuses=self.loop_watch.excuses
        )
        self.runner = self._make_runner(worker, payloads, settings, lifecycle, child)
        self.slots = Slots(self.in_flight, self.runner, self.finisher, lifecycle, worker=name, on_end=on_end)
        open_stream = connections.open_stream
        self.wakeup = Wakeup(
            None if open_stream is None else lambda: open_stream(wanted),
            store.clock,
            lifecycle,
            worker=name,
            sleep_delay=settings.sleep_delay.total_seconds(),
        )
        self._threads = [
            background_thread(self.heartbeat.run, "mongojobs-heartbeat"),
            background_thread(self.timekeeper.run, "mongojobs-timekeeper"),
        ]
        if connections.stats is not None:
            statistics.begin(connections.stats)
            self._threads.append(background_thread(statistics.run, "mongojobs-statistics"))
        self._writer = background_thread(self.finisher.run, "mongojobs-finisher")

    def start_minding(self) -> None:
        """Begin to keep locks alive, and time limits, and to store what is counted."""
        for thread in self._threads:
            thread.start()

    def start_working(self, threads: int) -> None:
        """Begin to run jobs in *threads* slots, write results and listen for new jobs."""
        self._writer.start()
        self.wakeup.start()
        self.slots.grow(threads, is_async=False)

    def wants(self) -> int:
        """Return how many jobs to reserve now."""
        self.reserver.observe(*self._measure())
        if self._must_be_alone() or not self.runner.can_run():
            return 0
        room = self._room()
        wanted = self.reserver.wants(room, held=self.in_flight.waiting() + self.in_flight.unwritten())
        return min(wanted, max(room, 0)) if self.suspects.forbids_reading_ahead() else wanted

    def reserve(self, limit: int) -> list[InFlightJob]:
        """Reserve up to *limit* jobs. Raises DatabaseError."""
        self.looked_at = self.store.clock.now()
        self._ahead = self.reserver.ahead()
        is_empty = self.in_flight.is_empty()
        if is_empty:
            self.suspects.note_empty()
            self.finisher.batch.begin()
        if is_empty and self.suspects.owes_others() and (others := self._reserve(limit, beside=True)):
            return others
        return self._reserve(limit, beside=not is_empty)

    def look_for_suspects(self) -> None:
        """Find out, now and then, whether the next job is one that is to begin where nothing else runs.

        Raises DatabaseError.
        """
        if self.suspects.is_to_look():
            wanted = self.choice.now()
            self.suspects.note_next(is_suspect=wanted is not None and self.store.is_suspect_next(wanted))

    def longest_wait(self) -> timedelta:
        """Return how long an idle worker may go without a look.

        A stream makes looks rare; but a pause that ends makes no job ready, so that no stream tells of it.
        """
        rarely = self.wakeup.is_listening and not self.choice.paused
        return self._sleep_delay * LISTENING_FACTOR if rarely else self._sleep_delay

    def hold(self, jobs: Iterable[Job], expires: float) -> list[InFlightJob]:
        """Wrap reserved *jobs* as held ones."""
        return [
            InFlightJob(job, expires=expires, is_async=self._is_async(job), stopping=self._stopping) for job in jobs
        ]

    def hand_over(self, held: list[InFlightJob]) -> None:
        """Give jobs to the slots, and put those on their way back of a kind whose slots are busy."""
        self.suspects.mind(held)
        self.in_flight.add(held)
        if any(one.is_async for one in held):
            self._async_seen = True
            self.slots.grow(self.in_flight.wanted_threads(is_async=True), is_async=True)
        self._give_back_overflow()
        self.heartbeat.look()

    def release_unanswered(self) -> None:
        """Take up what a reserve without an answer has locked, to be released with what waits. Raises DatabaseError."""
        self.in_flight.add(self.hold(*self.reserver.adopt()))

    def release_waiting(self) -> None:
        """Hand back what no slot has taken; may be repeated. Raises DatabaseError."""
        self.in_flight.return_waiting()
        self._release(self.in_flight.returning(), started=False)

    def release_started(self) -> list[InFlightJob]:
        """Hand back the jobs whose run was or is cut short; return them. May be repeated. Raises DatabaseError."""
        running = [one for one in self.in_flight.running() if not (one.is_timed_out or one.is_given_up)]
        held = [*self.in_flight.interrupted(), *running]
        self._release(held, started=True)
        return held

    def stop_minding(self) -> None:
        """Let the heartbeat, the timekeeper and the counting end."""
        self.statistics.end()
        self.heartbeat.stop()
        self.timekeeper.stop()
        self.loop_watch.stop()

    def join(self, timeout: float) -> bool:
        """Wait for the threads to end that were told to; false when some have not by then."""
        deadline = time.monotonic() + timeout
        threads = [thread for thread in (*self._threads, self._writer) if thread.is_alive()]
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        have_ended = not any(thread.is_alive() for thread in threads)
        have_ended &= self.loop_watch.join(max(deadline - time.monotonic(), 0.0))
        return self.slots.join(max(deadline - time.monotonic(), 0.0)) and have_ended

    def _make_runner(
        self, worker: object, payloads: Payloads, settings: Settings, lifecycle: Lifecycle, child: ChildCommand | None
    ) -> Runner:
        parts, watch = (payloads, settings, lifecycle, self.store.clock), self.timekeeper.watch
        if child is None:
            return Runner(*parts, worker=worker, watch=watch, loop=self.loop_watch.loop)
        return ChildRunner(*parts, worker=worker, watch=watch, command=child)

    def _reserve(self, limit: int, *, beside: bool) -> list[InFlightJob]:
        return self.hold(*self.reserver.reserve(limit, beside=beside))

    def _must_be_alone(self) -> bool:
        """Whether nothing is to be begun now beside a suspect, or to let one in; people see when that changes."""
        is_alone = self.suspects.is_alone()
        if is_alone != self.is_alone:
            self.is_alone = is_alone
            self.heartbeat.beat_soon()
        return is_alone

    def _release(self, held: list[InFlightJob], *, started: bool) -> None:
        if held:
            self.store.release([one.job for one in held], started=started)
            self.in_flight.released(held)

    def _is_async(self, job: Job) -> bool:
        if self._has_children:
            return False  # a child runs one job at a time, of whatever kind
        try:
            return self._payloads.peek(job.handler).is_async
        except Exception:  # noqa: BLE001 - one odd job must not leave all of its batch locked; its run will tell
            return False

    def _room(self) -> int:
        """Return for how many jobs there is a slot; negative where jobs wait for one already.

        Whether the next jobs are of the one kind or the other only a reserve can tell, so room for either counts. But
        when jobs of one kind have just been given back for want of room, more of them are to be expected.
        """
        now = time.monotonic()
        kinds = [kind for kind, until in self._overflowing_until.items() if now < until]
        if not kinds:
            kinds = [False, True] if self._async_seen else [False]
        return max(self._room_for(is_async=kind) for kind in kinds)

    def _room_for(self, *, is_async: bool) -> int:
        return NO_ROOM if self._is_long_busy(is_async=is_async) else self.in_flight.room(is_async=is_async)

    def _is_long_busy(self, *, is_async: bool) -> bool:
        """Whether all slots of the kind are busy, and so for long that reading ahead is of no use."""
        since_start = self.in_flight.seconds_since_start(is_async=is_async)
        return since_start >= LONG_RUN_SECONDS and self.in_flight.room(is_async=is_async) <= 0

    def _measure(self) -> tuple[int, float]:
        jobs, seconds = self.in_flight.take_measure()
        return jobs, seconds / self.in_flight.threads

    def _give_back_overflow(self) -> None:
        for is_async in (False, True):
            ahead = 0 if self._is_long_busy(is_async=is_async) else self._ahead
            surplus = -self.in_flight.room(is_async=is_async) - ahead
            if surplus > 0:
                self.in_flight.return_some(surplus, is_async=is_async)
                self._overflowing_until[is_async] = time.monotonic() + HOLD_OFF_SECONDS
