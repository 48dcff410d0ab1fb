"""What a worker process holds: jobs that wait for a slot, jobs that run, and jobs whose result is not written yet.

All of them are locked by us, so all of them are renewed by the heartbeat. The slots take their jobs from here.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta

from mongojobs.core.clock import elapsed_seconds
from mongojobs.core.job import Job, JobId
from mongojobs.worker.interruption import Interruption


class Held:
    """One job that this process holds, and the run of it that goes on here."""

    __slots__ = (
        "deadline",
        "expires",
        "interruption",
        "is_async",
        "is_stuck",
        "is_timed_out",
        "job",
        "limit",
        "lost",
        "started",
        "stopping_event",
    )

    def __init__(self, job: Job, *, expires: float, is_async: bool, stopping: threading.Event) -> None:
        self.stopping_event = stopping
        self.job = job.with_run(self)
        self.expires = expires
        """When the lock runs out unless it is renewed, in ``elapsed_seconds``."""
        self.is_async = is_async
        self.interruption = Interruption()
        self.started: float | None = None
        """When the run began, in ``time.monotonic`` seconds."""
        self.deadline: float | None = None
        """When the run is too long, in ``time.monotonic`` seconds."""
        self.limit = timedelta(0)
        self.lost = False
        self.is_timed_out = False
        self.is_stuck = False

    @property
    def key(self) -> tuple[JobId, int]:
        """Tell this reserve of the job from an earlier one of the same job."""
        return self.job.id, self.job.fence

    @property
    def stopping(self) -> bool:
        """Whether the worker has been told to stop."""
        return self.stopping_event.is_set()

    @property
    def has_expired(self) -> bool:
        """Whether the lock has not been renewed for a whole lease."""
        return elapsed_seconds() >= self.expires

    def limit_to(self, limit: timedelta) -> None:
        """Let the run last for *limit* from its start."""
        self.limit = limit
        self.deadline = (self.started or time.monotonic()) + limit.total_seconds()


class Holdings:
    """The jobs that this process holds, for all of its threads.

    *limits* says how many jobs of each kind (``is_async``) may run at once.
    """

    def __init__(self, *, threads: int, async_concurrency: int) -> None:
        self.threads = threads
        self._changed = threading.Condition()
        self._limits = {False: threads, True: async_concurrency}
        self._waiting: dict[bool, deque[Held]] = {False: deque(), True: deque()}
        self._running: dict[tuple[JobId, int], Held] = {}
        self._unwritten: dict[tuple[JobId, int], Held] = {}
        self._busy = {False: 0, True: 0}
        self._ended_jobs = 0
        self._ended_seconds = 0.0
        self._last_start = time.monotonic()
        self._closed = False

    def add(self, held: Iterable[Held]) -> None:
        """Queue jobs for the slots."""
        with self._changed:
            for one in held:
                self._waiting[one.is_async].append(one)
            self._changed.notify_all()

    def take(self, *, is_async: bool) -> Held | None:
        """Wait for a job, mark it as running and return it; None when there will be no more."""
        waiting = self._waiting[is_async]
        with self._changed:
            while not waiting and not self._closed:
                self._changed.wait()
            if not waiting:
                return None
            held = waiting.popleft()
            self._last_start = held.started = time.monotonic()
            self._running[held.key] = held
            self._busy[is_async] += 1
            self._changed.notify_all()
            return held

    def take_now(self) -> Held | None:
        """Mark a waiting job as running and return it; None when none waits."""
        with self._changed:
            is_async = not self._waiting[False]
            return self.take(is_async=is_async) if self._waiting[is_async] else None

    def ended(self, held: Held) -> None:
        """Note that the run is over; unless the job was lost meanwhile, its result is to be written."""
        with self._changed:
            del self._running[held.key]
            self._busy[held.is_async] -= 1
            self._ended_jobs += 1
            self._ended_seconds += time.monotonic() - (held.started or 0.0)
            if not held.lost:
                self._unwritten[held.key] = held
            self._changed.notify_all()

    def written(self, held: Iterable[Held]) -> None:
        """Drop jobs whose result is written."""
        with self._changed:
            for one in held:
                self._unwritten.pop(one.key, None)
            self._changed.notify_all()

    def lose(self, held: Held) -> bool:
        """Give up a job that waits or runs, as its lock is not ours any more; code that runs goes on.

        False when it does neither: a result that is being written finds out for itself.
        """
        with self._changed:
            waits = held in self._waiting[held.is_async]
            if held.lost or not (waits or held.key in self._running):
                return False
            held.lost = True
            if waits:
                self._waiting[held.is_async].remove(held)
            self._changed.notify_all()
            return True

    def take_back_waiting(self) -> list[Held]:
        """Withdraw all jobs that no slot has taken, and return them."""
        with self._changed:
            waiting = [*self._waiting[False], *self._waiting[True]]
            for queue in self._waiting.values():
                queue.clear()
            return waiting

    def take_back_overflow(self, count: int, *, is_async: bool) -> list[Held]:
        """Withdraw the last *count* waiting jobs of one kind, and return them."""
        waiting = self._waiting[is_async]
        with self._changed:
            return [waiting.pop() for _ in range(min(count, len(waiting)))]

    def wanted_threads(self, *, is_async: bool) -> int:
        """Return how many threads the jobs of the kind can use that run or wait now."""
        with self._changed:
            return min(self._busy[is_async] + len(self._waiting[is_async]), self._limits[is_async])

    def close(self) -> None:
        """Let the slots end once nothing waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def running(self) -> list[Held]:
        """Return the jobs whose code runs now."""
        with self._changed:
            return list(self._running.values())

    def all(self) -> list[Held]:
        """Return every job that is locked by this process."""
        with self._changed:
            started = [one for one in self._running.values() if not one.lost]
            return [*self._waiting[False], *self._waiting[True], *started, *self._unwritten.values()]

    def room(self, *, is_async: bool) -> int:
        """Return how many jobs of the kind could start at once, besides those that wait already."""
        with self._changed:
            return self._limits[is_async] - self._busy[is_async] - len(self._waiting[is_async])

    def waiting(self) -> int:
        """Return how many jobs no slot has taken yet."""
        with self._changed:
            return len(self._waiting[False]) + len(self._waiting[True])

    def take_measure(self) -> tuple[int, float]:
        """Return how many runs have ended since the last call, and the seconds that they took one slot."""
        with self._changed:
            measure = self._ended_jobs, self._ended_seconds
            self._ended_jobs, self._ended_seconds = 0, 0.0
            return measure

    def is_empty(self) -> bool:
        """Whether this process holds nothing."""
        with self._changed:
            return not (self._running or self._unwritten or self._waiting[False] or self._waiting[True])

    def stalled(self, seconds: float) -> bool:
        """Whether jobs wait and none has been started for so long: their slots are busy."""
        with self._changed:
            return bool(self._waiting[False] or self._waiting[True]) and time.monotonic() - self._last_start > seconds

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until *condition*, looked at whenever something changes here, holds; false on time-out."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def wake(self) -> None:
        """Let whoever waits look at the condition again."""
        with self._changed:
            self._changed.notify_all()
