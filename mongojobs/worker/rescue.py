"""Taking back the jobs of workers that are gone, and setting damaged jobs aside."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from mongojobs.core.clock import elapsed_seconds
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobQuarantined, JobRescued
from mongojobs.core.settings import Settings
from mongojobs.store.jobs import JobStore
from mongojobs.worker.outage import Outage

BATCH = 50

T = TypeVar("T")


class Rescuer:
    """Looks for expired locks four times a lease, and for damage once a lease.

    Not within a lease after this worker itself could not reach the database: the others' heartbeats may have starved in
    the same outage, and their locks are not theirs to lose. A look that comes a quarter of a lease late, or takes that
    long, tells of an outage too: of a database that hung without an error, or of a machine that was asleep, with the
    others on it. A lock that runs out for want of a heartbeat takes half a lease of that, and a look begins in its
    first quarter.
    """

    def __init__(self, store: JobStore, reporter: Reporter, settings: Settings, outage: Outage) -> None:
        self._store = store
        self._reporter = reporter
        self._lease = settings.lease.total_seconds()
        self._outage = outage
        self._next_rescue = elapsed_seconds()
        self._next_quarantine = elapsed_seconds()

    def seconds_left(self) -> float:
        """Return how long until there is something to do."""
        return max(self._next_rescue - elapsed_seconds(), 0.0)

    def run_if_due(self) -> bool:
        """Rescue and quarantine if it is time; return whether the database was asked. Raises DatabaseError."""
        now = elapsed_seconds()
        if now < self._next_rescue:
            return False
        if now - self._next_rescue > self._lease / 4:
            self._outage.note_standstill()
        self._next_rescue = now + self._lease / 4 * random.uniform(0.8, 1.0)
        if self._others_may_have_starved():
            return False
        self.rescue()
        if now >= self._next_quarantine:
            self._next_quarantine = now + self._lease
            self.quarantine()
        return True

    def rescue(self) -> int:
        """Take back every job whose lease has expired; return how many. Raises DatabaseError."""
        total = 0
        while rescued := self._timed(self._store.rescue, by=self._reporter.name, limit=BATCH):
            total += len(rescued)
            for one in rescued:
                self._reporter.tell(JobRescued, one.job_id, one.locked_by, one.losses, one.failed, one.cancelled)
            if self._others_may_have_starved():
                break
        return total

    def quarantine(self) -> int:
        """Set aside every job that is hidden from workers by its damage; return how many. Raises DatabaseError."""
        total = 0
        while damaged := self._timed(self._store.quarantine, limit=BATCH):
            total += len(damaged)
            for one in damaged:
                self._reporter.tell(JobQuarantined, one.job_id, one.reason)
        return total

    def _timed(self, ask: Callable[..., list[T]], **options: Any) -> list[T]:
        """Return what *ask* answers; note whether it had to wait for that too long."""
        begun = elapsed_seconds()
        answer = ask(**options)
        if elapsed_seconds() - begun > self._lease / 4:
            self._outage.note_standstill()
        return answer

    def _others_may_have_starved(self) -> bool:
        seen = self._outage.last_seen
        return seen is not None and time.monotonic() - seen < self._lease
