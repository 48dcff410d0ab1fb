"""Handing back jobs that were not run, or not to the end, so that no other worker waits for their leases."""

from __future__ import annotations

from mongojobs.store.lifecycle.end import Holding
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.run.inflight_job import InFlightJob


class Releaser:
    """Releases jobs in flight. One whose release got no answer stays in flight, so it can be tried again."""

    def __init__(self, holding: Holding, in_flight: InFlight) -> None:
        self._holding = holding
        self._in_flight = in_flight

    def release_returning(self) -> None:
        """Hand back the jobs on their way back. Raises DatabaseError."""
        self._release(self._in_flight.returning(), started=False)

    def release_waiting(self) -> None:
        """Hand back the jobs that no slot has taken. Raises DatabaseError."""
        self._in_flight.return_waiting()
        self.release_returning()

    def release_started(self) -> list[InFlightJob]:
        """Hand back the jobs whose runs were or are being cut short; return them. Raises DatabaseError."""
        running = [held for held in self._in_flight.running() if not (held.is_timed_out or held.is_given_up)]
        cut_short = [*self._in_flight.interrupted(), *running]
        self._release(cut_short, started=True)
        return cut_short

    def _release(self, held: list[InFlightJob], *, started: bool) -> None:
        if held:
            self._holding.release([one.job for one in held], started=started)
            self._in_flight.released(held)
