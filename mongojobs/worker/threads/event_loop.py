"""The event loop for ``async def`` jobs, and which of them blocks it for the others."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from typing import Final

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.job import Job, job_in
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobBlocks
from mongojobs.process.copies import CopiesEndHere
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.run.inflight_job import LONG_BLOCK_SECONDS, InFlightJob

LOOK_SECONDS: Final = 0.1


class EventLoop:
    """One asyncio loop per process, run by its own thread from first use."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closing = False

    def get(self) -> asyncio.AbstractEventLoop:
        """Return the loop, started if need be."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                name = "mongojobs-event-loop"
                self._thread = threading.Thread(target=self._turn, args=(self._loop,), name=name, daemon=True)
                self._thread.start()
            return self._loop

    def runs(self) -> Job | None:
        """Return the job whose code is running on the loop now, or that started what is running there."""
        thread = self._thread
        frame = sys._current_frames().get(thread.ident or 0) if thread is not None else None
        while frame is not None:
            if frame.f_code is asyncio.Handle._run.__code__:
                return job_in(frame.f_locals["self"]._context)
            frame = frame.f_back
        return None

    def close(self, timeout: float) -> bool:
        """End the loop, what jobs have left behind on it, and its thread; False if that has not ended in time."""
        if self._loop is None or self._thread is None:
            return True
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while not self._closing:
            # A job may stop the loop, and SystemExit from a task that a job has begun falls through it.
            with contextlib.suppress(SystemExit, KeyboardInterrupt), CopiesEndHere():
                loop.run_forever()
        for task in (left := asyncio.all_tasks(loop)):
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class LoopWatch:
    """Asks the loop to turn, ten times a second while jobs are on it.

    The time in which code of one job, or code that it left behind, keeps the loop from running is not counted against
    the time limits of the others. A block of a second is reported, with the job.
    """

    def __init__(self, in_flight: InFlight, reporter: Reporter) -> None:
        self.event_loop: EventLoop = EventLoop()
        self._in_flight = in_flight
        self._reporter = reporter
        self._changing = threading.Lock()
        self._threads: list[threading.Thread] = []
        """The one that watches, once it is needed."""
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._looked_at = self._turned_at = monotonic_seconds()
        self._blocker: Job | None = None
        self._blocked_since = 0.0
        self._is_told = False

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop for a job, and watch it."""
        if not self._wanted.is_set():
            self._want()
        return self.event_loop.get()

    def excuses(self, held: InFlightJob) -> bool:
        """Whether *held* must not be judged too long yet: the loop has not turned since, and it is not to blame."""
        if not held.is_on_loop or held.deadline is None or self._turned_at >= held.deadline:
            return False
        return self._blocker is not held.job

    def close(self, timeout: float) -> bool:
        """End the watch, start no other, and end the loop; False if one of them has not ended in time."""
        with self._changing:
            self._stopped.set()
            self._wanted.set()
        for thread in self._threads:
            thread.join(timeout)
        return self.event_loop.close(timeout) and not any(thread.is_alive() for thread in self._threads)

    def _want(self) -> None:
        """Start watching from now on, however late the thread gets to it."""
        with self._changing:
            self._looked_at = self._turned_at = monotonic_seconds()
            self._wanted.set()
            if not self._threads and not self._stopped.is_set():
                self._threads.append(threading.Thread(target=self._run, name="mongojobs-loop-watch", daemon=True))
                self._threads[0].start()

    def _run(self) -> None:
        loop = self.event_loop.get()
        while self._wanted.wait() and not self._stopped.is_set():
            while not self._stopped.is_set() and (jobs := self._jobs()):
                self._mind_standstill(jobs)
                self._look(loop, jobs)
                self._stopped.wait(LOOK_SECONDS)
                self._mind_standstill(jobs)
            with self._changing:
                self._wanted.clear()
                if self._stopped.is_set() or self._jobs():
                    self._wanted.set()

    def _jobs(self) -> list[Job]:
        """Return the jobs that are on the loop."""
        return [held.job for held in self._in_flight.running() if held.is_on_loop]

    def _look(self, loop: asyncio.AbstractEventLoop, jobs: list[Job]) -> None:
        """Make the loop turn once, and blame the one of *jobs* that does not let it."""
        turned = threading.Event()
        loop.call_soon_threadsafe(turned.set)
        while not turned.wait(LOOK_SECONDS) and not self._stopped.is_set():
            self._blame(self.event_loop.runs())
        self._mind_standstill(jobs)  # the loop may turn before this thread wakes from what held both
        self._blocker = None
        self._looked_at = self._turned_at = monotonic_seconds()

    def _mind_standstill(self, jobs: list[Job]) -> None:
        """Count a time in which this thread itself stood still, as while C code holds the interpreter.

        By now the loop may have gone on to code of another job, and a wrong guess would cost that one its time limit:
        so a job is blamed only if it runs now, and was and is alone on the loop.
        """
        if monotonic_seconds() - self._looked_at > 3 * LOOK_SECONDS:
            job = self.event_loop.runs()
            self._blame(job if jobs == self._jobs() == [job] else None)

    def _blame(self, job: Job | None) -> None:
        """Count the time since the last look against *job*, and no other on the loop."""
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
