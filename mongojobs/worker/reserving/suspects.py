"""Jobs that may have killed their workers: they start where no other job would die with them, and each gets its turn.

A job that lost two workers is reserved only while its process holds nothing, and nothing is started beside it at first:
a job that kills its process mostly does so at once. So that neither side starves the other, a process gives all other
jobs as much time as it has given such a one before it takes the next, and a process that is never empty by itself
lets itself run empty when such a job's turn has come.
"""

from __future__ import annotations

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.retry import ALONE_FROM_LOSSES
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.run.inflight_job import InFlightJob

ALONE_LEASES = 1 / 12
LEAST_ALONE_SECONDS = 1.0
"""How long nothing is started beside such a job: a share of the lease, but at least this, and 5 s by default."""
LEAST_PATIENCE_SECONDS = 0.5
"""What was read ahead takes a quarter of a second."""
LONGEST_PATIENCE_LEASES = 1
LONGEST_INTERVAL_LEASES = 60


class SuspectIsolation:
    """Says when a process must start nothing beside what it holds, and when a suspect must wait for the others.

    Each lease a busy process looks whether a suspect is the next of its jobs (``is_to_look``, ``note_next``). If so, it
    waits for up to a sixtieth of a lease (but half a second) until it is empty. If that fails because its jobs are
    long, it tries less often and for longer: so it costs about a sixtieth of the time.
    """

    def __init__(self, in_flight: InFlight, lease: float) -> None:
        self._in_flight = in_flight
        self._lease = lease
        self._alone_seconds = max(lease * ALONE_LEASES, LEAST_ALONE_SECONDS)
        self._suspect: InFlightJob | None = None
        self._alone_since: float = 0.0
        self.room_since: float = 0.0
        self._cost_since = 0.0
        """When the suspect was reserved, or the process began to run empty for it."""
        self._others_until = 0.0
        self._room_until: float | None = None
        self._interval = self._patience = self._next = 0.0
        self._forget_tries(monotonic_seconds())

    def note_empty(self) -> bool:
        """Note that the process holds nothing as it looks for jobs; return whether others come before a suspect."""
        self._room_until = None
        self._forget_tries(monotonic_seconds())
        return self.owes_others()

    def is_to_look(self) -> bool:
        """Whether it is time to check whether a suspect is the next job."""
        return self._room_until is None and monotonic_seconds() >= self._next and not self._in_flight.is_empty()

    def note_next(self, *, is_suspect: bool) -> None:
        """Note what the next job is, and make room for it if it is a suspect."""
        now = monotonic_seconds()
        if is_suspect:
            self.room_since, self._room_until = now, now + self._patience
        else:
            self._forget_tries(now)

    def mind(self, held: list[InFlightJob]) -> None:
        """Note what was reserved; a job with losses comes as the only one of its batch."""
        if held[0].job.losses:
            self._suspect, self._alone_since = held[0], monotonic_seconds()
            self._cost_since = self.room_since or self._alone_since
        self.room_since = 0.0

    def owes_others(self) -> bool:
        """Whether others come before the next suspect, if any is due."""
        return monotonic_seconds() < self._others_until

    def is_alone(self) -> bool:
        """Whether nothing may start now: beside a running suspect, or to let one in."""
        suspect = self._current()
        if suspect is not None and suspect.job.losses >= ALONE_FROM_LOSSES:
            return True
        return self._is_running_empty()

    def forbids_reading_ahead(self) -> bool:
        """Whether only what can start at once may be reserved, as a job that lost a worker is running."""
        return self._current() is not None

    def _current(self) -> InFlightJob | None:
        suspect = self._suspect
        if suspect is None:
            return None
        now = monotonic_seconds()
        is_harmless = now - self._alone_since >= self._alone_seconds
        if is_harmless or not self._in_flight.is_at_large(suspect):
            self._suspect = None
            if suspect.job.losses >= ALONE_FROM_LOSSES:
                self._next = self._others_until = now + max(now - self._cost_since, LEAST_PATIENCE_SECONDS)
        return self._suspect

    def _is_running_empty(self) -> bool:
        if self._room_until is None or self._in_flight.is_empty():
            return False
        now = monotonic_seconds()
        if now < self._room_until:
            return True
        self._room_until, self.room_since = None, 0.0
        self._interval = min(self._interval * 2, self._lease * LONGEST_INTERVAL_LEASES)
        self._patience = min(self._patience * 2, self._lease * LONGEST_PATIENCE_LEASES)
        self._next = now + self._interval
        return False

    def _forget_tries(self, now: float) -> None:
        self._interval = self._lease
        self._patience = max(self._lease / 60, LEAST_PATIENCE_SECONDS)
        self._next = self._others_until if self.owes_others() else now + self._interval
