"""What a worker process holds: jobs waiting for a slot, running, to be written, or on their way back.

All of them are locked by us, so all of them are renewed by the heartbeat. The slots take their jobs from here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import Final

from mongojobs.core.clock import monotonic_seconds
from mongojobs.process.cpu_load import STRETCH_SECONDS, CpuLoad
from mongojobs.worker.run.inflight_job import InFlightJob

LONG_RUN_SECONDS: Final = 0.5
"""Once all slots have been busy this long, the jobs waiting for them are released: others may have a free one."""


class InFlight:
    """The jobs that this process holds, for all its threads.

    *threads* and *async_concurrency* say how many jobs of each kind (``is_async``) may run at once.

    Waking a thread costs more than most jobs, so none is woken in vain. Whoever watches what changes
    (``wait_until``) is told only once few jobs are left that wait. Of short jobs that keep the interpreter busy, one
    slot runs one after the other, and one more stands by: it looks every few milliseconds whether the job that runs is
    a long one, or whether the ``CpuLoad`` has use for more, begins another one then, and wakes the next to stand by.
    """

    def __init__(self, *, threads: int, async_concurrency: int) -> None:
        self.threads = threads
        self._guard = threading.RLock()
        self._arrived = {False: threading.Condition(self._guard), True: threading.Condition(self._guard)}
        self._changed = threading.Condition(self._guard)
        self._watchers = 0
        self._few = 0
        self._limits = {False: threads, True: async_concurrency}
        self._waiting: dict[bool, deque[InFlightJob]] = {False: deque(), True: deque()}
        self._running: dict[InFlightJob, None] = {}
        self._unwritten: dict[InFlightJob, None] = {}
        self._interrupted: dict[InFlightJob, None] = {}
        self._returning: dict[InFlightJob, None] = {}
        self._busy = {False: 0, True: 0}
        self._idle = {False: 0, True: 0}
        self._has_standby = {False: False, True: False}
        self._has_been_idle = True
        self._ended_jobs = 0
        self._ended_seconds = 0.0
        self._last_start = {False: monotonic_seconds(), True: monotonic_seconds()}
        self._waiting_since = {False: 0.0, True: 0.0}
        self._stalled_since: dict[bool, float | None] = {False: None, True: None}
        self._closed = False

    def add(self, held: Iterable[InFlightJob]) -> None:
        """Queue jobs for the slots."""
        with self._guard:
            if not (self._running or any(self._waiting.values())):
                self._has_been_idle = True
            for one in held:
                waiting = self._waiting[one.is_async]
                if not waiting:
                    self._waiting_since[one.is_async] = monotonic_seconds()
                waiting.append(one)
            for is_async, waiting in self._waiting.items():
                if waiting:
                    self._call_one(is_async=is_async)

    def take(self, *, is_async: bool) -> InFlightJob | None:
        """Wait for a job, mark it as running and return it; None if there will be no more.

        A job whose lock has run out meanwhile, as in a process that was paused, is dropped: another may have it.
        """
        waiting, busy = self._waiting[is_async], self._busy
        with self._guard:
            while True:
                while not (
                    self._closed or (waiting and (not busy[is_async] or self._is_another_of_use(is_async=is_async)))
                ):
                    self._wait_for_work(is_async=is_async)
                if self._closed:
                    return None
                held = waiting.popleft()
                if not held.lost:
                    self._note_busy()
                    return self._start(held)
                held.is_given_up = True

    def take_now(self) -> InFlightJob | None:
        """Mark a waiting job as running and return it; None if none is waiting."""
        with self._guard:
            is_async = not self._waiting[False]
            return self._start(self._waiting[is_async].popleft()) if self._waiting[is_async] else None

    def ended(self, held: InFlightJob, *, interrupted: bool = False) -> None:
        """Note that the run is over; its result must be written, or the job handed back if it was *interrupted*.

        A job that was lost meanwhile is held no more.
        """
        with self._guard:
            del self._running[held]
            self._busy[held.is_async] -= 1
            self._ended_jobs += 1
            self._ended_seconds += monotonic_seconds() - (held.started or 0.0)
            if not (held.is_given_up or (interrupted and held.lost)):
                (self._interrupted if interrupted else self._unwritten)[held] = None
            if self._watchers:
                self._tell(held.is_async)

    def written(self, held: Collection[InFlightJob]) -> None:
        """Drop jobs whose results are written."""
        with self._guard:
            for one in held:
                self._unwritten.pop(one, None)
            self._part(held)

    def lose(self, held: InFlightJob) -> bool:
        """Give up a job whose lock is no longer ours; code that is running continues.

        False when there is nothing to give up: a result that is being written finds out for itself.
        """
        with self._guard:
            self._returning.pop(held, None)
            waits = held in self._waiting[held.is_async]
            if held.is_given_up or not (waits or held in self._running):
                return False
            held.is_given_up = True
            if waits:
                self._waiting[held.is_async].remove(held)
            self._tell(held.is_async)
            return True

    def return_waiting(self) -> None:
        """Put all jobs that no slot has taken on their way back."""
        with self._guard:
            for is_async, waiting in self._waiting.items():
                self.return_some(len(waiting), is_async=is_async)

    def return_stalled(self, seconds: float) -> None:
        """Put jobs on their way back if the slots they wait for have been busy for this long, as two looks find.

        When a process has stood still as a whole, one look says nothing: its slots have had no time to begin another.
        """
        with self._guard:
            for is_async, waiting in self._waiting.items():
                since = max(self._last_start[is_async], self._waiting_since[is_async])
                is_stalled = bool(waiting) and monotonic_seconds() - since >= seconds
                if is_stalled and self._stalled_since[is_async] == since:
                    self.return_some(len(waiting), is_async=is_async)
                self._stalled_since[is_async] = since if is_stalled else None

    def return_some(self, count: int, *, is_async: bool) -> None:
        """Put the last *count* waiting jobs of one kind on their way back."""
        waiting = self._waiting[is_async]
        with self._guard:
            for _ in range(min(count, len(waiting))):
                held = waiting.pop()
                self._returning[held] = None
            self._tell(is_async)

    def returning(self) -> list[InFlightJob]:
        """Return the jobs that were not started and must be released."""
        with self._guard:
            return list(self._returning)

    def released(self, held: Collection[InFlightJob]) -> None:
        """Drop jobs that have been released."""
        with self._guard:
            for one in held:
                self._returning.pop(one, None)
                self._interrupted.pop(one, None)
            self._part(held)

    def wanted_threads(self, *, is_async: bool) -> int:
        """Return how many threads the running and waiting jobs of the kind can use."""
        with self._guard:
            return min(self._busy[is_async] + len(self._waiting[is_async]), self._limits[is_async])

    def close(self) -> None:
        """Let no more jobs start, and end the slots."""
        with self._guard:
            self._closed = True
            for condition in (*self._arrived.values(), self._changed):
                condition.notify_all()

    def running(self) -> list[InFlightJob]:
        """Return the jobs whose code is running now."""
        with self._guard:
            return list(self._running)

    def interrupted(self) -> list[InFlightJob]:
        """Return the jobs whose runs were cut short and that must be handed back."""
        with self._guard:
            return list(self._interrupted)

    def is_at_large(self, held: InFlightJob) -> bool:
        """Whether the job is waiting or running here."""
        with self._guard:
            return held in self._running or held in self._waiting[held.is_async]

    def all(self) -> list[InFlightJob]:
        """Return every job that this process has locked."""
        with self._guard:
            running = [one for one in self._running if not one.is_given_up]
            ended = [*self._unwritten, *self._interrupted]
            return [*self._waiting[False], *self._waiting[True], *running, *ended, *self._returning]

    def room(self, *, is_async: bool) -> int:
        """Return how many jobs of the kind could start at once, besides those already waiting."""
        with self._guard:
            return self._limits[is_async] - self._busy[is_async] - len(self._waiting[is_async])

    def waiting(self) -> int:
        """Return how many jobs no slot has taken yet."""
        with self._guard:
            return len(self._waiting[False]) + len(self._waiting[True])

    def unwritten(self) -> int:
        """Return how many results are not written yet."""
        with self._guard:
            return len(self._unwritten)

    def take_measure(self) -> tuple[int, float]:
        """Return how many runs have ended since the last call, and the seconds they took of one slot."""
        with self._guard:
            measure = self._ended_jobs, self._ended_seconds
            self._ended_jobs, self._ended_seconds = 0, 0.0
            return measure

    def is_empty(self) -> bool:
        """Whether this process holds nothing."""
        with self._guard:
            return not (
                self._running
                or self._unwritten
                or self._waiting[False]
                or self._waiting[True]
                or self._returning
                or self._interrupted
            )

    def is_long_busy(self, *, is_async: bool) -> bool:
        """Whether all slots of the kind are busy, and have been for so long that reading ahead is pointless."""
        since_start = monotonic_seconds() - self._last_start[is_async]
        return since_start >= LONG_RUN_SECONDS and self._busy[is_async] >= self._limits[is_async]

    def wait_until(self, condition: Callable[[], bool], timeout: float, *, few: int = 0) -> bool:
        """Wait until *condition* holds; return False on timeout.

        It is looked at whenever something changes here while no more than *few* jobs wait for a slot: for use by
        one thread.
        """
        with self._guard:
            self._few = few
            self._watchers += 1
            try:
                return self._changed.wait_for(condition, timeout)
            finally:
                self._watchers -= 1

    @cached_property
    def _load(self) -> CpuLoad:
        return CpuLoad()

    def _note_busy(self) -> None:
        """Begin to measure how busy the process is, if it has been idle."""
        if self._has_been_idle:
            self._has_been_idle = False
            self._load.begin()

    def _is_another_of_use(self, *, is_async: bool) -> bool:
        """Whether it helps to run one more job of the kind beside those that are running."""
        if self._load.has_use_for(self._busy[is_async] + 1):
            return True
        return monotonic_seconds() - self._last_start[is_async] >= STRETCH_SECONDS

    def _wait_for_work(self, *, is_async: bool) -> None:
        """Wait to be called, or stand by for a moment if jobs are waiting and nobody else does."""
        stands_by = bool(self._waiting[is_async]) and not self._has_standby[is_async]
        if stands_by:
            self._has_standby[is_async] = True
        self._idle[is_async] += 1
        self._arrived[is_async].wait(STRETCH_SECONDS if stands_by else None)
        self._idle[is_async] -= 1
        self._has_standby[is_async] = False

    def _call_one(self, *, is_async: bool) -> None:
        """Wake an idle slot for the waiting jobs, unless one has been called or stands by beside a busy one."""
        is_guarded = self._has_standby[is_async] and self._busy[is_async]
        if self._waiting[is_async] and self._idle[is_async] and not is_guarded:
            self._has_standby[is_async] = True
            self._arrived[is_async].notify()

    def _start(self, held: InFlightJob) -> InFlightJob:
        is_async = held.is_async
        self._last_start[is_async] = held.started = monotonic_seconds()
        self._running[held] = None
        self._busy[is_async] += 1
        if self._idle[is_async]:
            self._call_one(is_async=is_async)
        return held

    def _part(self, held: Iterable[InFlightJob]) -> None:
        """Let jobs forget the runs that know them: two that know each other stay in memory until Python looks for such.

        Code that goes on, since the worker stops and cannot wait for it, may still ask whether its lock is lost.
        """
        self._tell()
        for one in held:
            if one not in self._running:
                one.job.end()

    def _tell(self, kind: bool | None = None) -> None:  # noqa: FBT001 - the same as a key of the tables above
        """Let waiting threads look again, unless so many jobs (of the *kind* that changed) wait that they need not."""
        waiting = self._waiting[False] if kind is None else self._waiting[kind]
        if self._watchers and len(waiting) <= self._few:
            self._changed.notify_all()
