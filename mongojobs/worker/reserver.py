"""Reserving jobs: how many at once, and what to do when the answer is lost."""

from __future__ import annotations

import secrets

from mongojobs.core.clock import elapsed_seconds
from mongojobs.core.job import Job
from mongojobs.core.settings import Settings
from mongojobs.store.jobs import JobStore, Wanted

READ_AHEAD_SECONDS = 0.25
"""No more is reserved than runs in about this time, so that a lost worker or a long job holds up little."""

_SECONDS_AT_FIRST = 0.5
_WEIGHT = 0.2


class Reserver:
    """Reserves for one process, one batch after the other; used by one thread only.

    The size of a batch is worked out: it doubles after each full batch, up to what runs in a quarter of a second and
    to ``read_ahead``, and falls back to one when the queue was empty.
    """

    def __init__(self, store: JobStore, settings: Settings, *, by: str) -> None:
        self.wanted = Wanted(
            queues=settings.queues, min_priority=settings.min_priority, max_priority=settings.max_priority
        )
        self._store = store
        self._by = by
        self._lease = settings.lease
        self._read_ahead = settings.read_ahead
        self._size = 1
        self._seconds_a_job = _SECONDS_AT_FIRST
        self._unanswered: dict[str, float] = {}

    def observe(self, jobs: int, seconds: float) -> None:
        """Note that *jobs* took the process *seconds*: the measure of how far to read ahead."""
        if jobs:
            self._seconds_a_job += (seconds / jobs - self._seconds_a_job) * (1 - (1 - _WEIGHT) ** jobs)

    def ahead(self) -> int:
        """Return how many jobs may wait for a slot."""
        return int(min(self._size, self._read_ahead, READ_AHEAD_SECONDS / max(self._seconds_a_job, 1e-6)))

    def wants(self, room: int) -> int:
        """Return how many jobs to reserve now.

        *room* is the number of free slots; where it is negative, so many jobs wait for a slot already. Half of what was
        read ahead is used up before more is.
        """
        if self._read_ahead == 0:
            return min(max(room, 0), 1)
        ahead = self.ahead()
        if room <= 0 and -room * 2 > ahead:
            return 0
        return min(room + ahead, self._size)

    def reserve(self, limit: int, *, beside: bool) -> tuple[list[Job], float]:
        """Reserve up to *limit* jobs; return them and when their locks expire, in ``elapsed_seconds``.

        The expiry counts from before the write. With *beside* the process holds other jobs. Raises DatabaseError; what
        an unanswered call may have locked is taken up by the next call.
        """
        expires = elapsed_seconds() + self._lease.total_seconds()
        adopted = self._adopt()
        if adopted:
            return adopted, expires
        token = secrets.token_hex(12)
        self._unanswered[token] = expires
        jobs = self._store.reserve(self.wanted, token=token, by=self._by, lease=self._lease, limit=limit, beside=beside)
        del self._unanswered[token]
        self._size = min(max(self._size, limit) * 2, max(self._read_ahead, 1)) if len(jobs) >= limit else 1
        return jobs, expires

    def _adopt(self) -> list[Job]:
        """Take up what calls without an answer have locked; after a lease it is nobody's."""
        adopted: list[Job] = []
        for token, expires in list(self._unanswered.items()):
            if elapsed_seconds() < expires:
                adopted += self._store.adopt(token, lease=self._lease)
            del self._unanswered[token]
        return adopted
