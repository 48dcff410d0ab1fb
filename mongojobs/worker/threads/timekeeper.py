"""Ending runs: a job that exceeds its ``max_run_time``, or was cancelled, is interrupted; or else its process ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.errors import Cancelled, JobTimeout
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobCancelling, JobStuck, JobTimedOut, Notice
from mongojobs.core.settings import Settings
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.run.inflight_job import InFlightJob

PAUSE_SECONDS = 1.0
LOOK_SECONDS = 60.0
"""How long to wait at most, so that no job with a later deadline, as most have, has to wake the thread."""
ENDING_SECONDS = 0.05
"""How soon to look again at a run that is just starting or ending."""


class Timekeeper:
    """Watches the deadlines of the running jobs.

    A job past its deadline gets ``JobTimeout``, one that somebody has cancelled ``Cancelled``. If its code has not
    returned ``timeout_grace`` later, *on_stuck* is called: a thread cannot be ended from outside, only its process can.
    The lock is kept all the while, so nobody else starts the job. *excuses* says of one that others hold it up at this
    moment.
    """

    def __init__(
        self,
        in_flight: InFlight,
        reporter: Reporter,
        settings: Settings,
        *,
        on_stuck: Callable[[InFlightJob], object],
        excuses: Callable[[InFlightJob], bool] = lambda _held: False,
    ) -> None:
        self._in_flight = in_flight
        self._reporter = reporter
        self._grace = settings.timeout_grace.total_seconds()
        self._on_stuck = on_stuck
        self._excuses = excuses
        self._stopped = False
        self._wake = threading.Event()
        self._next = monotonic_seconds() + LOOK_SECONDS

    def run(self) -> None:
        """Watch until ``stop``: the body of the timekeeper's thread."""
        while not self._wait():
            self._next = float("inf")  # so that a deadline which begins during the check wakes us
            self._next = min(self._check_all(), monotonic_seconds() + LOOK_SECONDS)

    def watch(self, held: InFlightJob) -> None:
        """Watch a new deadline."""
        if held.ends is not None and held.ends < self._next:
            self._wake.set()

    def cancel(self, held: InFlightJob) -> None:
        """Interrupt *held*, as its job was cancelled, now or when it begins."""
        if held.started is None:
            held.interruption.interrupt(Cancelled)
        self._wake.set()

    def stop(self) -> None:
        """Let ``run`` end."""
        self._stopped = True
        self._wake.set()

    def check(self) -> float:
        """Act on every deadline that has passed, and return the next one, in ``monotonic_seconds``."""
        return min((self._check(held) for held in self._in_flight.running()), default=float("inf"))

    def _wait(self) -> bool:
        """Wait for the next deadline, or for an earlier one to be set; return whether it is over."""
        self._wake.wait(max(self._next - monotonic_seconds(), 0.0))
        self._wake.clear()
        return self._stopped

    def _check_all(self) -> float:
        try:
            return self.check()
        except Exception:  # noqa: BLE001 - without this thread no limit would be kept
            self._reporter.report_exception("keeping time limits")
            return monotonic_seconds() + PAUSE_SECONDS

    def _check(self, held: InFlightJob) -> float:
        now = monotonic_seconds()
        if (later := self._later(held, now)) is not None:
            return later
        if held.overdue_since is None:
            held.overdue_since = now
        if not held.is_cut_short:
            self._interrupt(held)
        if now >= held.overdue_since + self._grace:
            self._declare_stuck(held)
            return float("inf")
        return held.overdue_since + self._grace if held.is_cut_short else now + ENDING_SECONDS

    def _later(self, held: InFlightJob, now: float) -> float | None:
        """Return when to look at *held* again; None if it must be interrupted, or has been."""
        if held.is_stuck:
            return float("inf")
        if held.job.cancellation is not None:
            return None
        if held.deadline is None:
            return float("inf")
        if now < held.deadline:
            return held.deadline
        return now + ENDING_SECONDS if not held.is_cut_short and self._excuses(held) else None

    def _interrupt(self, held: InFlightJob) -> None:
        """Interrupt *held* for good, unless it is just starting or ending."""
        if held.job.cancellation is not None:
            held.interruption.interrupt(Cancelled, first=partial(self._cut_short, held, JobCancelling))
        else:
            seconds = held.limit.total_seconds()
            held.interruption.interrupt(JobTimeout, first=partial(self._cut_short, held, JobTimedOut, seconds))

    def _cut_short(self, held: InFlightJob, kind: Callable[..., Notice], *more: object) -> None:
        held.is_cut_short = True
        self._reporter.tell(kind, held.job, *more)

    def _declare_stuck(self, held: InFlightJob) -> None:
        """End the process over a run that does not end, in the job's code or in the app's reaction to its failure."""
        held.is_cut_short = held.is_stuck = True
        self._reporter.tell(JobStuck, held.job)
        self._on_stuck(held)
