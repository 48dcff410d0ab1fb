"""How many jobs a worker wants now, beside which others, and what it hands back because it cannot start it soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from operator import attrgetter
from typing import Final

from mongojobs.worker.inflight import InFlight
from mongojobs.worker.reserving.reserve import Reserver
from mongojobs.worker.reserving.suspects import SuspectIsolation
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.runner import Runner

HOLD_OFF_SECONDS: Final = 1.0
"""How long to reserve only for free slots of one kind after too many jobs of that kind came."""

NO_ROOM: Final = -(2**31)

_is_async: Final = attrgetter("is_async")


class Demand:
    """What one process may reserve; used by the reserving thread only.

    *on_alone* is called when ``is_alone`` has changed.
    """

    is_alone: bool = False
    """Whether, at the last look, nothing could start beside a suspect, or to let one in."""

    def __init__(
        self,
        in_flight: InFlight,
        reserver: Reserver,
        suspects: SuspectIsolation,
        runner: Runner,
        *,
        stopping: threading.Event,
        on_alone: Callable[[], object],
    ) -> None:
        self._in_flight = in_flight
        self._reserver = reserver
        self._suspects = suspects
        self._runner = runner
        self._stopping = stopping
        self._on_alone = on_alone
        self._overflowing_until = {False: 0.0, True: 0.0}
        self._async_seen = False
        self._ahead = 0
        """How many jobs might wait for a slot when the last reserve was made; its answer has changed that since."""

    def now(self) -> int:
        """Return how many jobs to reserve now."""
        self._reserver.observe(*self._measure())
        if self._must_be_alone() or not self._runner.can_run():
            return 0
        room = self._room()
        wanted = self._reserver.wants(room, held=self._in_flight.waiting() + self._in_flight.unwritten())
        return min(wanted, max(room, 0)) if self._suspects.forbids_reading_ahead() else wanted

    def reserve(self, limit: int, *, was_empty: bool) -> list[InFlightJob]:
        """Reserve up to *limit* jobs; *was_empty* says that nothing is in flight. Raises DatabaseError."""
        owes_others = was_empty and self._suspects.note_empty()
        self._ahead = self._reserver.ahead()
        held = self._runner.hold(*self._reserver.reserve(limit, beside=owes_others or not was_empty), self._stopping)
        if owes_others and not held:
            held = self._runner.hold(*self._reserver.reserve(limit, beside=False), self._stopping)
        if held:
            if held[0].job.losses or self._suspects.room_since:
                self._suspects.mind(held)
            self._async_seen |= True in map(_is_async, held)
        return held

    def adopt(self) -> list[InFlightJob]:
        """Adopt the jobs locked by a reserve whose answer was lost. Raises DatabaseError."""
        return self._runner.hold(*self._reserver.adopt(), self._stopping)

    def look_for_suspects(self) -> None:
        """Check, now and then, whether the next job is one that must start when nothing else is running.

        Raises DatabaseError.
        """
        if self._suspects.is_to_look():
            self._suspects.note_next(is_suspect=self._reserver.scope.is_suspect_next())

    def return_overflow(self) -> None:
        """Put the jobs reserved last, of a kind whose slots are busy, on their way back."""
        for is_async in (False, True):
            ahead = 0 if self._in_flight.is_long_busy(is_async=is_async) else self._ahead
            surplus = -self._in_flight.room(is_async=is_async) - ahead
            if surplus > 0:
                self._in_flight.return_some(surplus, is_async=is_async)
                self._overflowing_until[is_async] = time.monotonic() + HOLD_OFF_SECONDS

    def _must_be_alone(self) -> bool:
        """Whether nothing may start now beside a suspect, or to let one in; people see when that changes."""
        is_alone = self._suspects.is_alone()
        if is_alone != self.is_alone:
            self.is_alone = is_alone
            self._on_alone()
        return is_alone

    def _room(self) -> int:
        """Return how many jobs there are free slots for; negative if jobs are already waiting for one.

        Whether the next jobs are of the one kind or the other only a reserve can tell, so room for either counts. But
        when jobs of one kind have just been given back for want of room, more of them are to be expected.
        """
        now = time.monotonic()
        kinds = [kind for kind, until in self._overflowing_until.items() if now < until]
        if not (kinds or self._async_seen):
            return self._room_for(is_async=False)
        return max(self._room_for(is_async=kind) for kind in kinds or (False, True))

    def _room_for(self, *, is_async: bool) -> int:
        return NO_ROOM if self._in_flight.is_long_busy(is_async=is_async) else self._in_flight.room(is_async=is_async)

    def _measure(self) -> tuple[int, float]:
        jobs, seconds = self._in_flight.take_measure()
        return jobs, seconds / self._in_flight.threads
