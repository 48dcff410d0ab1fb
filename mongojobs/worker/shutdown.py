"""Stopping a worker so that no job is lost and none waits for a lease to run out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mongojobs.core.durations import format_duration
from mongojobs.core.errors import Interrupted, JobTimeout
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import JobReleased
from mongojobs.core.settings import Settings
from mongojobs.store.faults import DatabaseError
from mongojobs.worker.crew import Crew
from mongojobs.worker.finisher import Result
from mongojobs.worker.holdings import Held
from mongojobs.worker.outcome import HandedBack

UNWIND_SECONDS = 1.0
"""How long interrupted code may take to clean up behind itself."""
WRITE_SECONDS = 1.0
"""How long the last writes are tried; what they miss is rescued when its lease runs out."""


class Shutdown:
    """The order of leaving: hand back what waits, let runs end, interrupt them, write results, hand back the rest.

    The process has 3 s beyond the ``shutdown_timeout`` for all of it, so each step has a bound.
    """

    def __init__(
        self, crew: Crew, lifecycle: Lifecycle, settings: Settings, *, worker: str, hurry: threading.Event
    ) -> None:
        self._crew = crew
        self._lifecycle = lifecycle
        self._timeout = settings.shutdown_timeout.total_seconds()
        self._worker = worker
        self._hurry = hurry
        self.has_stuck_threads = False
        self.was_stuck = False

    def run(self) -> int:
        """Stop everything; return how many started jobs were handed back. Raises nothing."""
        crew = self._crew
        self._try_to_write(crew.release_waiting)
        crew.wakeup.close()
        self._wait_for_runs()
        self._interrupt_runs()
        crew.stop_writing()
        self._try_to_write(crew.finisher.flush)
        released = self._release_started()
        self._fail_overdue()
        crew.stop_minding()
        crew.holdings.close()
        self.has_stuck_threads = not crew.slots.join(timeout=0.2)
        if not self.has_stuck_threads:
            crew.event_loop.close()
        return released

    def _wait_for_runs(self) -> None:
        """Wait for the running jobs, but not for one that does not return after its time-out."""

        def is_over() -> bool:
            return self._hurry.is_set() or all(held.is_stuck for held in self._crew.holdings.running())

        self._crew.holdings.wait_until(is_over, self._timeout)

    def _interrupt_runs(self) -> None:
        running = self._crew.holdings.running()
        for held in running:
            if not held.is_timed_out:
                held.interruption.interrupt(Interrupted)
        if running:
            self._crew.holdings.wait_until(
                lambda: all(held.is_stuck for held in self._crew.holdings.running()), UNWIND_SECONDS
            )

    def _release_started(self) -> int:
        """Hand back the jobs that were interrupted, in one write."""
        held = [one for one in self._crew.holdings.all() if not one.is_timed_out]
        if held and self._try_to_write(lambda: self._crew.store.release([one.job for one in held], started=True)):
            for one in held:
                self._lifecycle.notify(JobReleased(self._worker, one.job))
        return len(held)

    def _fail_overdue(self) -> None:
        """Record the failure of jobs whose code has not returned after their time-out, as the last write."""
        for held in self._crew.holdings.running():
            if held.is_timed_out and not held.lost:
                self.was_stuck = self.was_stuck or held.is_stuck
                self._record_time_out(held)

    def _record_time_out(self, held: Held) -> None:
        limit = format_duration(held.limit)
        error = JobTimeout(f"the job ran longer than its max_run_time of {limit}, and the code did not return")
        outcome = self._crew.runner.overdue(held, error)
        if not isinstance(outcome, HandedBack):
            self._crew.finisher.submit(Result(held, outcome, time.monotonic() - (held.started or 0.0)))
            self._try_to_write(self._crew.finisher.flush)

    def _try_to_write(self, write: Callable[[], object]) -> bool:
        """Try *write* for a second; false when the database did not take it."""
        deadline = time.monotonic() + WRITE_SECONDS
        while True:
            try:
                write()
            except DatabaseError:
                if time.monotonic() >= deadline:
                    return False
                self._hurry.wait(0.1)
            else:
                return True
