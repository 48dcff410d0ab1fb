"""Handing back jobs that were not run, or not to the end, so that no other worker waits for their leases."""

from __future__ import annotations

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobCancelled
from mongojobs.store.lifecycle.end import Holding
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.run.inflight_job import InFlightJob


class Releaser:
    """Releases jobs in flight. One whose release got no answer stays in flight, so it can be tried again.

    One that somebody has cancelled ends by that, as the store says.
    """

    def __init__(self, holding: Holding, in_flight: InFlight, reporter: Reporter) -> None:
        self._holding = holding
        self._in_flight = in_flight
        self._reporter = reporter

    def release_returning(self) -> None:
        """Hand back the jobs on their way back. Raises DatabaseError."""
        self._release(self._in_flight.returning(), started=False)

    def release_waiting(self) -> None:
        """Hand back the jobs that no slot has taken. Raises DatabaseError."""
        self._in_flight.return_waiting()
        self.release_returning()

    def release_started(self) -> list[InFlightJob]:
        """Hand back the jobs whose runs were or are being cut short; return those that will run again, or have failed.

        Raises DatabaseError.
        """
        running = [
            held
            for held in self._in_flight.running()
            if not (held.is_cut_short or held.is_given_up or held.is_committed)
        ]
        cut_short = [*self._in_flight.interrupted(), *running]
        self._release(cut_short, started=True)
        return [held for held in cut_short if held.job.cancellation is None and not held.is_committed]

    def _release(self, held: list[InFlightJob], *, started: bool) -> None:
        if held:
            self._holding.release([one.job for one in held], started=started)
            self._in_flight.released(held)
            for one in held:
                if one.job.cancellation is not None:
                    self._reporter.tell(
                        JobCancelled, one.job, monotonic_seconds() - (one.started or monotonic_seconds())
                    )
