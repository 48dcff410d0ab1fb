"""Keeping and ending a run, from ``renew`` and ``finish`` to ``release``.

All of them change a job only while it carries the lock that it was reserved with. What they write, ``core.transitions``
says.

An answer can be lost: the caller then repeats the call with ``repeated=True``, and a job that looks as this very call
would leave it counts as ours. Without it, "not as I left it" would be read as "taken over by another worker".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from pymongo import UpdateOne

from mongojobs.core import transitions
from mongojobs.core.change import Change
from mongojobs.core.job import Job
from mongojobs.store.base import StoreBase, is_held, is_left_as
from mongojobs.store.documents import to_update
from mongojobs.store.filters import held, held_groups

_SUCCESS = transitions.Succeeded()


class Ending(StoreBase):
    """The part of the store for those who hold jobs."""

    def renew(self, jobs: Sequence[Job], *, lease: timedelta) -> list[Job]:
        """Let the locks of *jobs* live for another *lease* from now; return those that are not ours any more."""
        if not jobs:
            return []
        change = transitions.renewed(until=self.clock.now() + lease)
        renewed = self.collection.update_many(held_groups(jobs), to_update(change))
        if renewed.matched_count == len(jobs):
            return []
        found = self._look(jobs)
        return [job for job in jobs if not is_held(job, found.get(job.id))]

    def finish(self, jobs: Sequence[Job], *, repeated: bool = False) -> list[Job]:
        """End the runs of *jobs*, which succeeded; return those that were not ours any more.

        When a job that is gone was deleted by us or by another owner cannot be told apart within one call, those with
        the oldest locks are named.
        """
        return self.end_all([(job, _SUCCESS) for job in jobs], repeated=repeated)

    def end(self, job: Job, ending: transitions.Ending, *, repeated: bool = False) -> bool:
        """Write how the run of *job* ended; return False if it was not ours any more."""
        return self._end(job, ending.change(job, self.clock.now(), self.settings), repeated=repeated)

    def end_all(self, endings: Sequence[tuple[Job, transitions.Ending]], *, repeated: bool = False) -> list[Job]:
        """Write how the runs of many jobs ended, in one round trip; return the jobs that were not ours any more.

        Those that are deleted take another one. Raises DatabaseError; then some may be written, and all are to be
        written again as *repeated*.
        """
        now, settings = self.clock.now(), self.settings
        changes = [(job, ending.change(job, now, settings)) for job, ending in endings]
        deleted = [job for job, change in changes if change.deletes]
        changed = [(job, change) for job, change in changes if not change.deletes]
        return self._delete(deleted, repeated=repeated) + self._change_each(changed)

    def release(self, jobs: Sequence[Job], *, started: bool) -> list[Job]:
        """Hand back *jobs* that were not ended, to be run at once; return those that were not ours any more.

        For *started* ones it is counted, and a job is given up on the ``max_releases``-th time. May be repeated.
        """
        now, settings = self.clock.now(), self.settings
        changes = [(job, transitions.released(job, started=started, now=now, settings=settings)) for job in jobs]
        return [job for change, alike in _alike(changes) for job in self._change_all(alike, change)]

    def _delete(self, jobs: Sequence[Job], *, repeated: bool) -> list[Job]:
        if not jobs:
            return []
        missing = len(jobs) - self.collection.delete_many(held_groups(jobs)).deleted_count
        if missing == 0:
            return []
        found = self._look(jobs)
        lost = [job for job in jobs if job.id in found]
        if repeated or len(lost) >= missing:
            return lost
        gone = sorted((job for job in jobs if job.id not in found), key=_age_of_lock)
        return lost + gone[: missing - len(lost)]

    def _end(self, job: Job, change: Change, *, repeated: bool) -> bool:
        """Make one change of a job that is held; return whether it was ours."""
        if change.deletes:
            return not self._delete([job], repeated=repeated)
        if self.collection.update_one(held(job), to_update(change), hint=self._by_id()).matched_count:
            return True
        return repeated and is_left_as(job, change, self._look([job]).get(job.id))

    def _change_each(self, changes: Sequence[tuple[Job, Change]]) -> list[Job]:
        """Make a change of its own of each job; return those that were not ours."""
        if len(changes) <= 1 or not self._is_real:
            return [job for job, change in changes if not self._end(job, change, repeated=True)]
        writes = [UpdateOne(held(job), to_update(change), hint=self._by_id()) for job, change in changes]
        if self.collection.bulk_write(writes, ordered=False).matched_count == len(changes):
            return []
        found = self._look(job for job, _ in changes)
        return [job for job, change in changes if not is_left_as(job, change, found.get(job.id))]

    def _change_all(self, jobs: Sequence[Job], change: Change) -> list[Job]:
        """Make the same change of all *jobs*; return those that were not ours."""
        if len(jobs) == 1:
            return [] if self._end(jobs[0], change, repeated=True) else [*jobs]
        if self.collection.update_many(held_groups(jobs), to_update(change)).matched_count == len(jobs):
            return []
        found = self._look(jobs)
        return [job for job in jobs if not is_left_as(job, change, found.get(job.id))]


def _alike(changes: Iterable[tuple[Job, Change]]) -> list[tuple[Change, list[Job]]]:
    """Return each different change with the jobs that it is made of."""
    groups: list[tuple[Change, list[Job]]] = []
    for job, change in changes:
        alike = next((jobs for known, jobs in groups if known == change), None)
        if alike is None:
            groups.append((change, alike := []))
        alike.append(job)
    return groups


def _age_of_lock(job: Job) -> float:
    return job.locked_until.timestamp() if job.locked_until is not None else 0.0
