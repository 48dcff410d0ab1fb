"""Stopping a worker so that no job is lost and none waits for a lease to expire."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.errors import Interrupted
from mongojobs.core.notices import JobFailed, JobReleased, Warned
from mongojobs.core.retry import releases_after
from mongojobs.core.transitions import HandedBack
from mongojobs.core.words.wording import counted
from mongojobs.store.faults import DatabaseError
from mongojobs.worker.assembly import Parts
from mongojobs.worker.finish.result import Result
from mongojobs.worker.release import Releaser
from mongojobs.worker.reserving.wakeup import Wakeup
from mongojobs.worker.threads.background import join_all
from mongojobs.worker.threads.cancel_watch import CancelWatch

HAND_BACK_SECONDS: Final = 1.0
"""How long a reserve in progress may take before the stop goes on without it, if nothing else delays the stop."""
UNWIND_SECONDS: Final = 1.0
"""How long interrupted code may take to clean up after itself."""
ABORT_SECONDS: Final = 0.3
"""How long it may take to note the end of killed processes."""
WRITE_SECONDS: Final = 0.8
"""How long, at least, the last writes are tried; what they miss is rescued when its lease expires."""
LAST_WRITES_SECONDS: Final = 1.9
"""How long after the ``shutdown_timeout`` they are tried if nothing had to be interrupted."""
AGAIN_SECONDS: Final = 0.1
LEAVE_SECONDS: Final = 0.5
"""How long connections, threads and the event loop may each take to end; any still there end with the process."""
AFTER_SECONDS: Final = 2.6
"""How long after the ``shutdown_timeout`` the exit is hurried."""


class _Helper(threading.Thread):
    """Does *actions*, each until the database accepts it: a thread that can be left behind."""

    def __init__(self, actions: tuple[Callable[[], object], ...], report_exception: Callable[[], object]) -> None:
        super().__init__(name="mongojobs-shutdown", daemon=True)
        self._is_over = threading.Event()
        self._actions = actions
        self._report_exception = report_exception
        self.start()

    def run(self) -> None:
        for action in self._actions:
            self._do(action)

    def leave_at(self, moment: float) -> None:
        """Wait for it until then, in ``time.monotonic`` seconds; after that let it try nothing again."""
        self.join(max(moment - time.monotonic(), 0.0))
        self._is_over.set()

    def _do(self, action: Callable[[], object]) -> None:
        while True:
            try:
                action()
            except DatabaseError:
                if self._is_over.wait(AGAIN_SECONDS):
                    return
            except Exception:  # noqa: BLE001 - the next step must be taken whatever this one meets
                self._report_exception()
                return
            else:
                return


class Shutdown:
    """The order of a stop: hand back what waits, let runs end, interrupt them, write results, hand back the rest.

    The ``shutdown_timeout`` is for the runs and for the writing of results alike. The process has 3 s beyond it for all
    the rest, so each step has a bound. A database that hangs holds up whoever asks it, so all that asks it is done by
    threads that can be left behind.
    """

    def __init__(self, parts: Parts, wakeup: Wakeup, cancel_watch: CancelWatch) -> None:
        settings = parts.context.settings
        self._parts = parts
        self._wakeup = wakeup
        self._cancel_watch = cancel_watch
        self._in_flight = parts.in_flight
        self._reporter = parts.context.reporter
        self._releaser = Releaser(parts.connections.store.holding, parts.in_flight, self._reporter)
        self._timeout = settings.shutdown_timeout.total_seconds()
        self._max_releases = settings.max_releases
        self._end = 0.0
        self._released = 0
        self._helpers: list[_Helper] = []
        self.has_left_threads: bool = False
        """Whether code of jobs, or a call to a database that hangs, still goes on."""

    def run(self, reserving: threading.Thread, leave: Callable[[], object]) -> int:
        """Stop everything; return how many started jobs were handed back. Raises nothing.

        *reserving* is the thread that reserves, *leave* closes the connections.
        """
        parts, begun = self._parts, time.monotonic()
        handing_back = self._begin("handing back", *self._waiting_steps(reserving))
        self._within(0.0, "listening", self._wakeup.close)
        self._wait_for_runs_and_results(begun + self._timeout)
        deadline = time.monotonic()
        handing_back.leave_at(begun + HAND_BACK_SECONDS)
        self._end = deadline + AFTER_SECONDS
        self._interrupt_runs()
        self._write_last(max(deadline + LAST_WRITES_SECONDS - time.monotonic(), WRITE_SECONDS))
        self._within(0.0, "listening for cancelled jobs", self._cancel_watch.close)
        parts.stop_minding()
        parts.runner.close(self._rest())
        self._within(self._rest(), "the last log lines", lambda: parts.logs.join(LEAVE_SECONDS))
        self._within(self._rest(), "the last statistics", parts.context.stats.try_to_store)
        self._join_helpers(self._rest())  # a change stream cannot be closed any more once its client is
        self._within(self._rest(), "leaving", leave)
        self.has_left_threads = not parts.join(self._rest()) or any(thread.is_alive() for thread in self._helpers)
        return self._released

    def _waiting_steps(self, reserving: threading.Thread) -> Iterable[Callable[[], object]]:
        """Yield what hands back the waiting jobs, once *reserving* brings no more of them."""
        if reserving.ident is not None:
            yield reserving.join
        yield lambda: self._in_flight.add(self._parts.demand.adopt())
        yield self._releaser.release_waiting

    def _write_last(self, seconds: float) -> None:
        """Write what is known of all jobs still in flight."""
        finisher, releaser = self._parts.finisher, self._releaser
        finisher.close()
        steps = (self._release_started, self._judge_overdue, finisher.flush)
        self._within(seconds, "the last writes", finisher.flush, releaser.release_waiting, *steps)
        self._tell_unwritten(finisher.give_up())

    def _rest(self) -> float:
        """Return how long a step of the exit may take."""
        return min(max(self._end - time.monotonic(), 0.1), LEAVE_SECONDS)

    def _wait_for_runs_and_results(self, deadline: float) -> None:
        """Wait until the only code left has not returned after its timeout, or the stop has become urgent."""
        in_flight, hurry = self._in_flight, self._parts.context.hurry

        def is_over() -> bool:
            if hurry.is_set():
                return True
            is_written = not (in_flight.unwritten() or in_flight.waiting() or in_flight.returning())
            return is_written and all(held.is_stuck for held in in_flight.running())

        in_flight.wait_until(is_over, max(deadline - time.monotonic(), 0.0))

    def _interrupt_runs(self) -> None:
        running = self._in_flight.running()
        for held in running:
            if not held.is_cut_short:
                held.interruption.interrupt(Interrupted)
        if running:
            self._in_flight.wait_until(lambda: all(held.is_stuck for held in self._in_flight.running()), UNWIND_SECONDS)
        aborted = [held for held in self._in_flight.running() if self._parts.runner.abort(held)]
        if aborted:
            self._in_flight.wait_until(lambda: not self._in_flight.running(), ABORT_SECONDS)

    def _release_started(self) -> None:
        """Hand back what was interrupted, and what is still running, in one write."""
        for held in self._releaser.release_started():
            self._released += 1
            releases = releases_after(held.job)
            if releases < self._max_releases:
                self._reporter.tell(JobReleased, held.job)
            else:
                self._reporter.tell(JobFailed, held.job, f"{releases} interrupted runs")

    def _judge_overdue(self) -> None:
        """Note how the jobs have ended whose code has not returned after their timeout, or after their transaction."""
        for held in self._in_flight.running():
            if (held.is_cut_short or held.is_committed) and not held.lost:
                outcome = self._parts.runner.overdue(held)
                if not isinstance(outcome, HandedBack):
                    self._parts.finisher.submit(Result(held, outcome, monotonic_seconds() - (held.started or 0.0)))

    def _tell_unwritten(self, count: int) -> None:
        if count:
            results = counted(count, "result")
            message = f"{results} could not be written before the stop: the jobs run again when their leases run out"
            self._reporter.tell(Warned, message)

    def _begin(self, what: str, *actions: Callable[[], object]) -> _Helper:
        """Start a helper that does *actions*."""
        helper = _Helper(actions, lambda: self._reporter.report_exception(what))
        self._helpers.append(helper)
        return helper

    def _within(self, seconds: float, what: str, *actions: Callable[[], object]) -> None:
        """Do *actions* in a helper that is left behind after *seconds*."""
        self._begin(what, *actions).leave_at(time.monotonic() + seconds)

    def _join_helpers(self, timeout: float) -> None:
        """Wait for what has not been waited for yet, such as the end of the listening."""
        join_all(self._helpers, timeout)
