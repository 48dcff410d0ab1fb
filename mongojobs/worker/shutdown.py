"""Stopping a worker so that no job is lost and none waits for a lease to run out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from mongojobs.core.errors import Interrupted
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import JobFailed, JobReleased
from mongojobs.core.settings import Settings
from mongojobs.store.faults import DatabaseError
from mongojobs.worker.crew import Crew
from mongojobs.worker.finisher import Result
from mongojobs.worker.outcome import HandedBack

HAND_BACK_SECONDS: Final = 0.5
"""How long the release of what has not begun may take before the grace goes on without it."""
UNWIND_SECONDS: Final = 1.0
"""How long interrupted code may take to clean up behind itself."""
ABORT_SECONDS: Final = 0.3
"""How long it may take to note the end of processes that were killed."""
WRITE_SECONDS: Final = 0.8
"""How long the last writes are tried; what they miss is rescued when its lease runs out."""
AGAIN_SECONDS: Final = 0.1
LEAVE_SECONDS: Final = 0.5
"""How long connections, threads and the event loop may each take to end; what has not then ends with the process."""
AFTER_SECONDS: Final = 2.6
"""How long after the ``shutdown_timeout`` the leaving is hurried."""


class Shutdown:
    """The order of leaving: hand back what waits, let runs end, interrupt them, write results, hand back the rest.

    The process has 3 s beyond the ``shutdown_timeout`` for all of it, so each step has a bound. A database that hangs
    holds up whoever asks it, so all that asks it is done by threads that can be left behind.
    """

    def __init__(
        self, crew: Crew, lifecycle: Lifecycle, settings: Settings, *, worker: str, hurry: threading.Event
    ) -> None:
        self._crew = crew
        self._lifecycle = lifecycle
        self._timeout = settings.shutdown_timeout.total_seconds()
        self._max_releases = settings.max_releases
        self._worker = worker
        self._hurry = hurry
        self._end = 0.0
        self._released = 0
        self._helpers: list[threading.Thread] = []
        self.has_left_threads = False
        """Whether code of jobs, or a call to a database that hangs, still goes on."""

    def run(self, looking: threading.Thread, leave: Callable[[], object]) -> int:
        """Stop everything; return how many started jobs were handed back. Raises nothing.

        *looking* is the thread that reserves, *leave* closes the connections.
        """
        deadline = time.monotonic() + self._timeout
        self._end = deadline + AFTER_SECONDS
        crew = self._crew
        has_begun = looking.ident is not None
        waiting = (*([looking.join] if has_begun else []), crew.release_unanswered, crew.release_waiting)
        self._within(HAND_BACK_SECONDS, "handing back", *waiting)
        self._within(0.0, "listening", crew.wakeup.close)
        self._wait_for_runs(deadline)
        self._interrupt_runs()
        crew.finisher.close()
        self._within(
            *(WRITE_SECONDS, "the last writes", crew.finisher.flush, crew.release_waiting),
            *(self._release_started, self._judge_overdue, crew.finisher.flush),
        )
        crew.stop_minding()
        crew.runner.close(self._rest())
        self._within(self._rest(), "the last statistics", crew.statistics.try_to_store)
        self._join_helpers(self._rest())  # a change stream cannot be closed any more once its client is
        self._within(self._rest(), "leaving", leave)
        have_ended = crew.join(self._rest()) and crew.event_loop.close(self._rest())
        self.has_left_threads = not have_ended or any(thread.is_alive() for thread in self._helpers)
        return self._released

    def _rest(self) -> float:
        """Return how long a step of leaving may take."""
        return min(max(self._end - time.monotonic(), 0.1), LEAVE_SECONDS)

    def _wait_for_runs(self, deadline: float) -> None:
        """Wait for the running jobs, but not for one that does not return after its time-out."""

        def is_over() -> bool:
            return self._hurry.is_set() or all(held.is_stuck for held in self._crew.holdings.running())

        self._crew.holdings.wait_until(is_over, max(deadline - time.monotonic(), 0.0))

    def _interrupt_runs(self) -> None:
        running = self._crew.holdings.running()
        for held in running:
            if not held.is_timed_out:
                held.interruption.interrupt(Interrupted)
        if running:
            self._crew.holdings.wait_until(
                lambda: all(held.is_stuck for held in self._crew.holdings.running()), UNWIND_SECONDS
            )
        aborted = [held for held in self._crew.holdings.running() if self._crew.runner.abort(held)]
        if aborted:
            self._crew.holdings.wait_until(lambda: not self._crew.holdings.running(), ABORT_SECONDS)

    def _release_started(self) -> None:
        """Hand back what was interrupted, and what still runs, in one write."""
        for held in self._crew.release_started():
            self._released += 1
            releases = held.job.releases + 1
            if releases < self._max_releases:
                self._lifecycle.notify(JobReleased(self._worker, held.job))
            else:
                self._lifecycle.notify(JobFailed(self._worker, held.job, f"{releases} interrupted runs"))

    def _judge_overdue(self) -> None:
        """Turn the jobs whose code has not returned after their time-out into failures."""
        for held in self._crew.holdings.running():
            if held.is_timed_out and not held.lost:
                outcome = self._crew.runner.overdue(held)
                if not isinstance(outcome, HandedBack):
                    self._crew.finisher.submit(Result(held, outcome, time.monotonic() - (held.started or 0.0)))

    def _within(self, seconds: float, what: str, *actions: Callable[[], object]) -> None:
        """Do *actions*, each until the database takes it, in a thread that is left behind after so many *seconds*."""
        is_over = threading.Event()

        def act() -> None:
            for action in actions:
                self._do(action, what, is_over)

        helper = threading.Thread(target=act, name="mongojobs-shutdown", daemon=True)
        self._helpers.append(helper)
        helper.start()
        helper.join(seconds)
        is_over.set()

    def _join_helpers(self, timeout: float) -> None:
        """Wait for what was not waited for until now, such as the end of the listening."""
        deadline = time.monotonic() + timeout
        for helper in self._helpers:
            helper.join(max(deadline - time.monotonic(), 0.0))

    def _do(self, action: Callable[[], object], what: str, is_over: threading.Event) -> None:
        while True:
            try:
                action()
            except DatabaseError:
                if is_over.wait(AGAIN_SECONDS):
                    return
            except Exception:  # noqa: BLE001 - the next step must be taken whatever this one meets
                self._lifecycle.complain(self._worker, what)
                return
            else:
                return
