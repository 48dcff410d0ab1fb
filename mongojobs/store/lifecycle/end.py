"""Keeping and ending a run, from ``renew`` and ``finish`` to ``release``.

All of them change a job only while it carries the lock that it was reserved with. What they write, ``core.transitions``
says.

An answer can be lost: the caller then repeats the call with ``repeated=True``, and a job that looks as this very call
would leave it counts as ours. Without it, "not as I left it" would be read as "taken over by another worker".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import repeat
from typing import Final

from pymongo import UpdateOne

from mongojobs.core import transitions
from mongojobs.core.change import Change
from mongojobs.core.job import RUNNING, Document, Job, JobId
from mongojobs.store.documents import to_update
from mongojobs.store.filters import held_groups
from mongojobs.store.queries import Queries
from mongojobs.store.unique.again import all_held_to_end, ends_run, held_to_end, honour, is_honoured

_SUCCESS = transitions.Succeeded()
_COUNTERS: Final = ("attempts", "fence", "losses", "releases", "snoozes")


class Holding:
    """The part of the store for those who hold jobs."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self.collection = queries.collection
        self.clock = queries.clock
        self.settings = queries.settings

    def renew(self, jobs: Sequence[Job], *, lease: timedelta) -> list[Job]:
        """Extend the locks of *jobs* by another *lease* from now; return those that are no longer ours."""
        if not jobs:
            return []
        change = transitions.renewed(until=self.clock.now() + lease)
        renewed = self.collection.update_many(held_groups(jobs), to_update(change))
        if renewed.matched_count == len(jobs):
            return []
        found = self._look(jobs)
        return [job for job in jobs if not is_held(job, found.get(job.id))]

    def finish(self, jobs: Sequence[Job], *, repeated: bool = False) -> list[Job]:
        """End the runs of *jobs*, which succeeded; return those that were no longer ours."""
        return self.end_all(zip(jobs, repeat(_SUCCESS)), repeated=repeated)

    def end(self, job: Job, ending: transitions.Ending, *, repeated: bool = False) -> bool:
        """Write how the run of *job* ended; return False if it was no longer ours."""
        return self._end(job, ending.change(job, self.clock.now(), self.settings), repeated=repeated)

    def end_all(self, endings: Iterable[tuple[Job, transitions.Ending]], *, repeated: bool = False) -> list[Job]:
        """Write how the runs of many jobs ended, in one round trip or two; return those that were no longer ours."""
        now, settings = self.clock.now(), self.settings
        deleted: list[Job] = []
        changed: list[tuple[Job, Change]] = []
        for job, ending in endings:
            change = ending.change(job, now, settings)
            if change.deletes:
                deleted.append(job)
            else:
                changed.append((job, change))
        lost = self._delete(deleted, repeated=repeated) if deleted else []
        return lost + self._change_each(changed) if changed else lost

    def release(self, jobs: Sequence[Job], *, started: bool) -> list[Job]:
        """Hand back *jobs*, counted if they had *started*; return those that were no longer ours."""
        now, settings = self.clock.now(), self.settings
        changes = [(job, transitions.released(job, started=started, now=now, settings=settings)) for job in jobs]
        return [job for change, alike in _alike(changes) for job in self._change_all(alike, change)]

    def _delete(self, jobs: Sequence[Job], *, repeated: bool) -> list[Job]:
        is_any_unique = {job.unique_key for job in jobs} != {None}
        query = all_held_to_end(jobs) if is_any_unique else held_groups(jobs)
        missing = len(jobs) - self.collection.delete_many(query).deleted_count
        if missing == 0:
            return []
        found = self._look(jobs)
        again, others = self._wanted_again(jobs, found)
        return honour(self._queries, again) + self._lost_of(others, found, missing - len(again), repeated=repeated)

    def _lost_of(
        self, jobs: Sequence[Job], found: Mapping[JobId, Document], missing: int, *, repeated: bool
    ) -> list[Job]:
        """Return which of *jobs* were not ours, when so many are *missing* among those deleted."""
        lost = [job for job in jobs if job.id in found and not (repeated and is_honoured(job, found[job.id]))]
        if repeated or len(lost) >= missing:
            return lost
        gone = sorted((job for job in jobs if job.id not in found), key=_age_of_lock)
        return lost + gone[: missing - len(lost)]

    def _wanted_again(self, jobs: Iterable[Job], found: Mapping[JobId, Document]) -> tuple[list[Job], list[Job]]:
        """Return those of *jobs* that are held still, as they were asked for again meanwhile, and the others."""
        parts: tuple[list[Job], list[Job]] = [], []
        for job in jobs:
            parts[job.unique_key is None or not is_held(job, found.get(job.id))].append(job)
        return parts

    def _end(self, job: Job, change: Change, *, repeated: bool) -> bool:
        """Make one change to a job that is held; return whether it was ours."""
        if change.deletes:
            return not self._delete([job], repeated=repeated)
        guard = held_to_end(job, change)
        if self.collection.update_one(guard, to_update(change), hint=self._queries.by_id).matched_count:
            return True
        if job.unique_key is None and not repeated:
            return False
        return not self._not_ours([(job, change)], repeated=repeated)

    def _not_ours(self, changes: Sequence[tuple[Job, Change]], *, repeated: bool = True) -> list[Job]:
        """Return those that are not left as by our own changes, after giving those that are wanted again their run."""
        found = self._look(job for job, _ in changes)
        change_of = {job.id: change for job, change in changes}
        again, others = self._wanted_again((job for job, _ in changes), found)

        def is_ours(job: Job) -> bool:
            left = found.get(job.id)
            return repeated and (is_left_as(job, change_of[job.id], left) or is_honoured(job, left))

        return honour(self._queries, again) + [job for job in others if not is_ours(job)]

    def _change_each(self, changes: Sequence[tuple[Job, Change]]) -> list[Job]:
        """Make each job's own change; return those that were not ours."""
        if len(changes) <= 1 or not self._queries.is_real:
            return [job for job, change in changes if not self._end(job, change, repeated=True)]
        by_id = self._queries.by_id
        writes = [UpdateOne(held_to_end(job, change), to_update(change), hint=by_id) for job, change in changes]
        if self.collection.bulk_write(writes, ordered=False).matched_count == len(changes):
            return []
        return self._not_ours(changes)

    def _change_all(self, jobs: Sequence[Job], change: Change) -> list[Job]:
        """Make the same change to all *jobs*; return those that were not ours."""
        if ends_run(change) and any(job.unique_key is not None for job in jobs):
            return self._change_each([(job, change) for job in jobs])
        if len(jobs) == 1:
            return [] if self._end(jobs[0], change, repeated=True) else [*jobs]
        if self.collection.update_many(held_groups(jobs), to_update(change)).matched_count == len(jobs):
            return []
        found = self._look(jobs)
        return [job for job in jobs if not is_left_as(job, change, found.get(job.id))]

    def _look(self, jobs: Iterable[Job]) -> dict[JobId, Document]:
        """Read who holds *jobs* now; missing jobs are left out."""
        ids = [job.id for job in jobs]
        fields = dict.fromkeys(("state", "lock_token", *_COUNTERS), 1)
        return {found["_id"]: found for found in self._queries.find({"_id": {"$in": ids}}, fields)}


def is_held(job: Job, found: Document | None) -> bool:
    """Whether the document *found* still carries the lock that *job* was reserved with."""
    return found is not None and found.get("state") == RUNNING and found.get("lock_token") == job.lock_token


def is_left_as(job: Job, change: Change, found: Document | None) -> bool:
    """Whether the document *found* is as our own *change*, which ended the run of *job*, would leave it.

    A rescue leaves the same state and fence behind, but a loss more.
    """
    if found is None:
        return False
    expected = {name: change.sets.get(name, getattr(job, name)) for name in _COUNTERS}
    return found.get("state") == change.sets["state"] and all(
        found.get(name, 0) == value for name, value in expected.items()
    )


def _alike(changes: Iterable[tuple[Job, Change]]) -> list[tuple[Change, list[Job]]]:
    """Return each distinct change with the jobs to which it applies."""
    groups: list[tuple[Change, list[Job]]] = []
    for job, change in changes:
        alike = next((jobs for known, jobs in groups if known == change), None)
        if alike is None:
            groups.append((change, alike := []))
        alike.append(job)
    return groups


def _age_of_lock(job: Job) -> float:
    return job.locked_until.timestamp() if job.locked_until is not None else 0.0
