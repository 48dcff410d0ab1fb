"""The parts of a worker, joined: what it holds, and the threads that work on that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import JobQuarantined, Warned
from mongojobs.core.settings import Settings
from mongojobs.payload.calls import Payloads
from mongojobs.store.faults import DatabaseError
from mongojobs.store.jobs import JobStore, Wanted
from mongojobs.store.stream import JobStream
from mongojobs.store.workers import WorkerStore
from mongojobs.worker.finisher import Finisher
from mongojobs.worker.heartbeat import Heartbeat
from mongojobs.worker.holdings import Held, Holdings
from mongojobs.worker.outage import Outage
from mongojobs.worker.rescuer import Rescuer
from mongojobs.worker.reserver import Reserver
from mongojobs.worker.runner import Runner
from mongojobs.worker.slots import EventLoop, Slots
from mongojobs.worker.timekeeper import Timekeeper
from mongojobs.worker.wakeup import Wakeup

HOLD_OFF_SECONDS = 1.0
"""How long to look for no more jobs after some came that only busy slots could run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """A worker's ways to the database: the heartbeat's is its own, so that nothing else can hold it up."""

    store: JobStore
    heartbeat_store: JobStore
    workers: WorkerStore
    open_stream: Callable[[Wanted], JobStream] | None
    """Opens a change stream; None where the server has none."""
    close: Callable[[], None]


class Crew:
    """Everything that works for one worker, from its start to its stop."""

    def __init__(
        self,
        connections: Connections,
        payloads: Payloads,
        lifecycle: Lifecycle,
        settings: Settings,
        *,
        worker: object,
        stopping: threading.Event,
        beat: Callable[[], None],
        on_stuck: Callable[[Held], None],
    ) -> None:
        name, store = str(worker), connections.store
        self._payloads = payloads
        self._stopping = stopping
        for one in (store, connections.heartbeat_store):
            one.on_warning = lambda message: lifecycle.notify(Warned(name, message))
            one.on_damaged = lambda damaged: lifecycle.notify(JobQuarantined(name, damaged.job_id, damaged.reason))
        self._hold_off_until = 0.0
        self._async_seen = False
        self.store = store
        self.outage = Outage(lifecycle, name)
        self.holdings = Holdings(threads=settings.threads, async_concurrency=settings.async_concurrency)
        self.reserver = Reserver(store, settings, by=name)
        self.rescuer = Rescuer(store, lifecycle, settings, self.outage, worker=name)
        self.finisher = Finisher(store, self.holdings, lifecycle, worker=name)
        self.heartbeat = Heartbeat(
            connections.heartbeat_store, self.holdings, lifecycle, settings, worker=name, beat=beat
        )
        self.timekeeper = Timekeeper(self.holdings, lifecycle, settings, worker=name, on_stuck=on_stuck)
        self.event_loop = EventLoop()
        self.runner = Runner(
            payloads,
            settings,
            lifecycle,
            store.clock,
            worker=worker,
            watch=self.timekeeper.watch,
            loop=self.event_loop.get,
        )
        self.slots = Slots(self.holdings, self.runner, self.finisher)
        open_stream = connections.open_stream
        self.wakeup = Wakeup(
            None if open_stream is None else lambda: open_stream(self.reserver.wanted),
            store.clock,
            lifecycle,
            worker=name,
            sleep_delay=settings.sleep_delay.total_seconds(),
        )
        self._threads = [
            threading.Thread(target=self.heartbeat.run, name="mongojobs-heartbeat", daemon=True),
            threading.Thread(target=self.timekeeper.run, name="mongojobs-timekeeper", daemon=True),
        ]
        self._writer = threading.Thread(target=self.finisher.run, name="mongojobs-finisher", daemon=True)

    def start_minding(self) -> None:
        """Begin to keep locks alive and time limits."""
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
        room = self.holdings.room(is_async=False)
        if room > 0 or not self._async_seen or time.monotonic() < self._hold_off_until:
            return self.reserver.wants(room)
        return self.reserver.wants(max(self.holdings.room(is_async=True), room))

    def hold(self, jobs: Iterable[Job], expires: float) -> list[Held]:
        """Wrap reserved *jobs* as held ones."""
        return [
            Held(job, expires=expires, is_async=self._payloads.peek(job.handler).is_async, stopping=self._stopping)
            for job in jobs
        ]

    def hand_over(self, held: list[Held]) -> None:
        """Give jobs to the slots, and back to the store those of a kind whose slots are busy. Raises DatabaseError."""
        self.holdings.add(held)
        asynchronous = sum(one.is_async for one in held)
        if asynchronous:
            self._async_seen = True
            self.slots.grow(self.holdings.wanted_threads(is_async=True), is_async=True)
        self._give_back_overflow()
        self.heartbeat.look()

    def release_waiting(self) -> None:
        """Hand back what no slot has taken; a failure leaves it to the rescue."""
        waiting = self.holdings.take_back_waiting()
        if waiting:
            self.store.release([one.job for one in waiting], started=False)

    def stop_minding(self) -> None:
        """End the heartbeat and the timekeeper."""
        self.heartbeat.stop()
        self.timekeeper.stop()
        for thread in self._threads:
            thread.join()

    def stop_writing(self) -> None:
        """Let the writer thread end after the write that it is at."""
        self.finisher.close()
        self._writer.join()

    def _measure(self) -> tuple[int, float]:
        jobs, seconds = self.holdings.take_measure()
        return jobs, seconds / self.holdings.threads

    def _give_back_overflow(self) -> None:
        overflow: list[Held] = []
        for is_async in (False, True):
            surplus = -self.holdings.room(is_async=is_async) - self.reserver.ahead()
            if surplus > 0:
                overflow += self.holdings.take_back_overflow(surplus, is_async=is_async)
        if not overflow:
            return
        self._hold_off_until = time.monotonic() + HOLD_OFF_SECONDS
        try:
            self.store.release([one.job for one in overflow], started=False)
        except DatabaseError:
            self.holdings.add(overflow)
            raise
