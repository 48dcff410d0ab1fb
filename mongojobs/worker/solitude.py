"""Jobs that may have killed their workers: they run where nobody else would die with them, and get their turn.

A job that lost two workers is reserved only while its process holds nothing, and nothing is begun beside it. Both have
a bound: a process that is never empty by itself lets itself run empty now and then, and a job that has run for a whole
lease is left alone no longer.
"""

from __future__ import annotations

import time

from mongojobs.worker.holdings import Held, Holdings

ALONE_FROM_LOSSES = 2
LEAST_PATIENCE_SECONDS = 0.5
"""What was read ahead takes a quarter of a second."""
LONGEST_PATIENCE_LEASES = 1
LONGEST_INTERVAL_LEASES = 60


class Solitude:
    """Says when a process must begin nothing beside what it holds.

    Each lease a busy process waits for up to a sixtieth of one (but half a second) until it is empty. Where that is in
    vain, as its jobs are long, it tries less often and longer: so it costs a sixtieth of the time or so.
    """

    def __init__(self, holdings: Holdings, lease: float) -> None:
        self._holdings = holdings
        self._lease = lease
        self._suspect: Held | None = None
        self.note_empty()

    def note_empty(self) -> None:
        """Note that the process held nothing when it looked for jobs."""
        self._interval = self._lease
        self._patience = max(self._lease / 60, LEAST_PATIENCE_SECONDS)
        self._next = time.monotonic() + self._interval

    def mind(self, held: list[Held]) -> None:
        """Note what was reserved; a job with losses comes as the only one of its batch."""
        if held and held[0].job.losses:
            self._suspect = held[0]

    def wants_room(self) -> bool:
        """Whether nothing is to be reserved now: for a suspect that runs, or to let one in."""
        suspect = self._current()
        if suspect is not None and suspect.job.losses >= ALONE_FROM_LOSSES:
            return True
        return self._is_running_empty()

    def forbids_reading_ahead(self) -> bool:
        """Whether only what can begin at once is to be reserved, as a job that lost a worker runs."""
        return self._current() is not None

    def _current(self) -> Held | None:
        suspect = self._suspect
        if suspect is None:
            return None
        is_proven = suspect.started is not None and time.monotonic() - suspect.started >= self._lease
        if is_proven or not self._holdings.is_at_large(suspect):
            self._suspect = None
        return self._suspect

    def _is_running_empty(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        if self._holdings.is_empty():
            return False
        if now < self._next + self._patience:
            return True
        self._interval = min(self._interval * 2, self._lease * LONGEST_INTERVAL_LEASES)
        self._patience = min(self._patience * 2, self._lease * LONGEST_PATIENCE_LEASES)
        self._next = now + self._interval
        return False
