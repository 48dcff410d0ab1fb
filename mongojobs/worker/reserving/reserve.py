"""Reserving jobs: which ones, how many at once, and what to do if the answer is lost."""

from __future__ import annotations

import dataclasses
import os
import time
from datetime import datetime
from typing import Final

from mongojobs.core.clock import elapsed_seconds
from mongojobs.core.job import Job
from mongojobs.core.settings import Settings
from mongojobs.store.faults import DatabaseError
from mongojobs.store.jobs import EPOCH, JobStore, QueueSelector, Spread
from mongojobs.store.pauses import PauseStore

READ_AHEAD_SECONDS = 0.25
"""No more is reserved than runs in about this time, so that a lost worker or a long job delays little."""

PAUSES_SECONDS: Final = 2.5
"""How long a worker relies on what it knows of pauses; they must be honoured within five seconds."""
IDLE_PAUSES_SECONDS: Final = 2.0
"""The same for one that has no job: it looks then, and not when the next one has come and would wait for that."""
QUEUES_SECONDS: Final = 0.25
"""How long it relies on the names of queues while one is paused; a new queue waits no longer than that."""

_SECONDS_AT_FIRST = 0.5
_WEIGHT = 0.2


class ReserveScope:
    """What to ask the store for; used by one thread only.

    While some queue is paused, a worker on all queues asks for the others by name: to ask for "not the paused ones"
    would make the server read all jobs of the paused ones.
    """

    def __init__(self, store: JobStore, pauses: PauseStore, wanted: QueueSelector) -> None:
        self.wanted = wanted
        """What the worker works on, paused or not."""
        self.paused: frozenset[str] = frozenset()
        self._store = store
        self._pauses = pauses
        self._saw_pauses = float("-inf")
        self._look_for_queues = 0.0
        self._others: tuple[str, ...] = ()

    def now(self, *, is_idle: bool = False) -> QueueSelector | None:
        """Return what to ask for now, where the worker may have nothing else to do; None if all of it is paused.

        A single job that somebody has asked for is asked for whether its queue is paused or not. Raises DatabaseError.
        """
        if self.wanted.only is not None:
            return self.wanted
        moment = time.monotonic()
        if moment - self._saw_pauses >= (IDLE_PAUSES_SECONDS if is_idle else PAUSES_SECONDS):
            self.paused = self._pauses.paused()
            self._saw_pauses = moment
        if not self.paused:
            return self.wanted
        queues = tuple(name for name in self._names(moment) if name not in self.paused)
        return dataclasses.replace(self.wanted, queues=queues) if queues else None

    def is_suspect_next(self) -> bool:
        """Whether the next job is one that must start when nothing else is running. Raises DatabaseError."""
        wanted = self.now()
        return wanted is not None and self._store.is_suspect_next(wanted)

    def _names(self, moment: float) -> tuple[str, ...]:
        if self.wanted.queues:
            return self.wanted.queues
        if moment >= self._look_for_queues:
            self._others = tuple(self._store.ready_queues())
            self._look_for_queues = moment + QUEUES_SECONDS
        return self._others


class Reserver:
    """Reserves for one process, one batch after another; used by one thread only.

    The size of a batch is worked out: it doubles after each full batch, up to what runs in a quarter of a second and
    to ``read_ahead``, and falls back to one when the queue was empty. While other workers are quicker with some of a
    batch, the next ones are spread.
    """

    def __init__(self, store: JobStore, pauses: PauseStore, settings: Settings, *, by: str) -> None:
        self.scope: ReserveScope = ReserveScope(store, pauses, _wanted(settings))
        self._store = store
        self._by = by
        self._lease = settings.lease
        self._read_ahead = settings.read_ahead
        self._most_held = max(settings.read_ahead * 5 // 2, settings.threads * 4)
        self._size = 1
        self._spread = Spread()
        self._seconds_a_job = _SECONDS_AT_FIRST
        self._unanswered: str | None = None
        self.looked_at: datetime = EPOCH
        """When the last reserve was about to begin: it found all that was due then."""

    def observe(self, jobs: int, seconds: float) -> None:
        """Note that *jobs* took the process *seconds*: this decides how far to read ahead."""
        if jobs:
            self._seconds_a_job += (seconds / jobs - self._seconds_a_job) * (1 - (1 - _WEIGHT) ** jobs)

    def ahead(self) -> int:
        """Return how many jobs may wait for a slot: two batches, one ready while the next is on its way."""
        batches = 2 * min(self._size, self._read_ahead)
        return int(min(batches, READ_AHEAD_SECONDS / max(self._seconds_a_job, 1e-6)))

    def wants(self, room: int, *, held: int = 0) -> int:
        """Return how many jobs to reserve now.

        *room* is the number of free slots; where it is negative, so many jobs wait for a slot already. Half of what was
        read ahead is used up before more is. So many are *held* besides those that run, waiting or to be written: where
        the database is slower than the jobs, results would pile up. Two batches may wait, and half of one be on its way
        to the store. While that leaves no room for half a batch, none is reserved: a few jobs take as long as many.
        """
        wanted, most = self._wants(room), self._most_held - held
        if wanted <= most:
            return wanted
        return most if most * 2 >= self._size else 0

    def _wants(self, room: int) -> int:
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
        if self._unanswered:
            adopted, expires = self.adopt()
            if adopted:
                return adopted, expires
        wanted = self.scope.now()
        self.looked_at = self._store.clock.now()
        if wanted is None:
            return [], 0.0
        sent = elapsed_seconds()
        token = self._unanswered = os.urandom(12).hex()
        jobs = self._store.reserve(
            wanted,
            token=token,
            by=self._by,
            lease=self._lease,
            now=self.looked_at,
            limit=limit,
            beside=beside,
            spread=self._spread,
        )
        if jobs and elapsed_seconds() - sent >= self._lease.total_seconds() / 2:
            return self.adopt()  # so late an answer says little: another worker may have rescued them
        self._unanswered = None
        if len(jobs) >= limit:
            self._size = min(max(self._size, limit) * 2, max(self._read_ahead, 1))
        elif not jobs:  # else few were due, or others were quicker
            self._size = 1
        return jobs, sent + self._lease.total_seconds()

    def adopt(self) -> tuple[list[Job], float]:
        """Adopt the jobs locked by a call whose answer was lost; return as ``reserve`` does. Raises DatabaseError."""
        expires = elapsed_seconds() + self._lease.total_seconds()
        if self._unanswered is None:
            return [], expires
        try:
            adopted = self._store.adopt(self._unanswered, lease=self._lease)
        except DatabaseError:
            raise
        except Exception:
            self._unanswered = None  # what cannot be read now never will be; the rescue takes it
            raise
        self._unanswered = None
        return adopted, expires


def _wanted(settings: Settings) -> QueueSelector:
    return QueueSelector(queues=settings.queues, min_priority=settings.min_priority, max_priority=settings.max_priority)
