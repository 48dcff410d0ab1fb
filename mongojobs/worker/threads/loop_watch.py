"""Watching the event loop: who blocks it, and what that is to the other jobs on it."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobBlocks
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.run.inflight_job import LONG_BLOCK_SECONDS, InFlightJob
from mongojobs.worker.threads.background import join_all
from mongojobs.worker.threads.slots import EventLoop

LOOK_SECONDS: Final = 0.1


class LoopWatch:
    """Asks the loop to turn, ten times a second while jobs are on it.

    The time in which code of one job, or code that it left behind, does not let the loop turn is not counted against
    the time limits of the others. A block of a second is told, with the job.
    """

    def __init__(self, event_loop: EventLoop, in_flight: InFlight, reporter: Reporter) -> None:
        self._event_loop = event_loop
        self._in_flight = in_flight
        self._reporter = reporter
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._looked_at = self._turned_at = monotonic_seconds()
        self._blocker: Job | None = None
        self._blocked_since = 0.0
        self._is_told = False

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop, for a job, and watch it."""
        if not self._wanted.is_set():
            self._want()
        return self._event_loop.get()

    def excuses(self, held: InFlightJob) -> bool:
        """Whether *held* is not to be taken for too long now: the loop has not turned since, and it is not to blame."""
        if not held.is_on_loop or held.deadline is None or self._turned_at >= held.deadline:
            return False
        return self._blocker is not held.job

    def stop(self) -> None:
        """Let the thread end, and begin none any more."""
        with self._changing:
            self._stopped.set()
            self._wanted.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; false when it has not by then."""
        return self._thread is None or join_all([self._thread], timeout)

    def _want(self) -> None:
        """Begin to watch: from now on, however late the thread comes to it."""
        with self._changing:
            self._looked_at = self._turned_at = monotonic_seconds()
            self._wanted.set()
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="mongojobs-loop-watch", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        loop = self._event_loop.get()
        while self._wanted.wait() and not self._stopped.is_set():
            while not self._stopped.is_set() and (jobs := self._jobs()):
                self._mind_standstill(jobs)
                self._look(loop)
                self._stopped.wait(LOOK_SECONDS)
                self._mind_standstill(jobs)
            with self._changing:
                self._wanted.clear()
                if self._stopped.is_set() or self._jobs():
                    self._wanted.set()

    def _jobs(self) -> list[Job]:
        """Return the jobs that are on the loop."""
        return [held.job for held in self._in_flight.running() if held.is_on_loop]

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the loop turn once, and blame whoever does not let it."""
        turned = threading.Event()
        loop.call_soon_threadsafe(turned.set)
        while not turned.wait(LOOK_SECONDS) and not self._stopped.is_set():
            self._blame(self._event_loop.runs())
        self._blocker = None
        self._looked_at = self._turned_at = monotonic_seconds()

    def _mind_standstill(self, jobs: list[Job]) -> None:
        """Find the one of *jobs* to blame when this thread itself stood still: for code in C holds the interpreter."""
        if monotonic_seconds() - self._looked_at > 3 * LOOK_SECONDS:
            self._blame(self._event_loop.runs() or (jobs[0] if len(jobs) == 1 else None))

    def _blame(self, job: Job | None) -> None:
        """Count the time since the last look against *job*, and against nobody else on the loop."""
        now = monotonic_seconds()
        seconds, self._looked_at = now - self._looked_at, now
        if self._blocker is not job:
            self._blocker, self._blocked_since, self._is_told = job, now - seconds, False
        for held in self._in_flight.running():
            if held.is_on_loop:
                held.note_block(seconds, is_own=held.job is job)
        if job is not None and not self._is_told and now - self._blocked_since >= LONG_BLOCK_SECONDS:
            self._is_told = True
            self._reporter.tell(JobBlocks, job, now - self._blocked_since)
