"""Keeping and ending a run, from ``renew`` and ``finish`` to ``release``.

All of them change a job only while it carries the lock that it was reserved with. What they write, ``core.transitions``
says.

Two actors: a worker hands a job back, to be run again; somebody cancels it at this moment. So each write that would
make a running job ready is guarded by the absence of a ``cancellation``, and a job that has one is ended instead; that
is noted in the job as the caller has it. A job that has ended by then is left as it is.

An answer can be lost: the caller then repeats the call with ``repeated=True``, and a job that looks as this very call
would leave it counts as ours. Without it, "not as I left it" would be read as "taken over by another worker".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import repeat
from types import MappingProxyType
from typing import Any, Final

from pymongo import UpdateOne

from mongojobs.core import transitions
from mongojobs.core.change import Change
from mongojobs.core.clock import Clock
from mongojobs.core.job import CANCELLED, COMPLETED, RUNNING, Document, Job, JobId
from mongojobs.core.settings import Settings
from mongojobs.store.clients import Jobs
from mongojobs.store.documents import to_joint_update, to_shown_job, to_update
from mongojobs.store.filters import NOT_CANCELLED, held, held_groups
from mongojobs.store.lifecycle.joining import OwnChange, joined
from mongojobs.store.queries import Queries
from mongojobs.store.unique.again import (
    all_held_to_end,
    ends_life,
    ends_run,
    hands_back,
    held_to_end,
    honour,
    is_honoured,
)
from mongojobs.store.unique.merges import tell_merged

_CANCELLED: Final = Change(sets={"state": CANCELLED})
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_COUNTERS: Final = ("attempts", "fence", "losses", "releases", "snoozes")


class Holding:
    """The part of the store for those who hold jobs."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self.collection: Jobs = queries.collection
        self.clock: Clock = queries.clock
        self.settings: Settings = queries.settings

    def renew(self, jobs: Sequence[Job], *, lease: timedelta, telling: Sequence[Job] = ()) -> list[Job]:
        """Extend the locks of *jobs* and of those *telling* by another *lease* from now; return those no longer ours.

        The latter store what they have told of themselves by the same write: that costs half of what two do. Those that
        somebody has cancelled know it afterwards.
        """
        if not (jobs or telling):
            return []
        renewal = transitions.renewed(until=self.clock.now() + lease)
        return self._renew(jobs, renewal, [(job, transitions.told(job, renewal=renewal)) for job in telling])

    def leave_alone(self, job: Job, *, longest: timedelta, lease: timedelta) -> bool:
        """Extend the lock of *job* for a transaction that lasts *longest*; False if it is no longer ours."""
        return not self._renew([job], transitions.left_alone(until=self.clock.now() + longest, lease=lease))

    def _renew(self, jobs: Sequence[Job], change: Change, telling: Sequence[OwnChange] = ()) -> list[Job]:
        both = [*jobs, *(job for job, _ in telling)]
        if self._write_renewal(jobs, change, telling, NOT_CANCELLED) == len(both):
            return []
        found = self._look(both)
        if _note_cancelled(both, found):
            cancelled = [one for one in telling if one[0].cancellation is not None]
            self._write_renewal([job for job in jobs if job.cancellation is not None], change, cancelled)
        return [job for job in both if not is_held(job, found.get(job.id))]

    def tell(self, jobs: Sequence[Job]) -> list[Job]:
        """Store what *jobs* have told of themselves; return those that are no longer ours."""
        changes = [(job, change) for job in jobs if (change := transitions.told(job)).sets]
        if not changes or self._write_each(changes) == len(changes):
            return []
        found = self._look(jobs)
        return [job for job, _ in changes if not is_held(job, found.get(job.id))]

    def finish(self, jobs: Sequence[Job], *, repeated: bool = False) -> list[Job]:
        """End the runs of *jobs*, which succeeded; return those that were no longer ours."""
        return self.end_all(zip(jobs, repeat(transitions.SUCCEEDED)), repeated=repeated)

    def end(self, job: Job, ending: transitions.Ending, *, repeated: bool = False) -> bool:
        """Write how the run of *job* ended; return False if it was no longer ours."""
        change = ending.change(job, self.clock.now(), self.settings)
        if job.unique_digest is not None and ends_life(change) and not repeated:
            tell_merged(self._queries, [job])
        return self._end(job, change, repeated=repeated)

    def end_all(self, endings: Iterable[tuple[Job, transitions.Ending]], *, repeated: bool = False) -> list[Job]:
        """Write how the runs of many jobs ended, in one round trip or two; return those that were no longer ours."""
        now, settings = self.clock.now(), self.settings
        deleted: list[Job] = []
        changed: list[tuple[Job, Change]] = []
        unique: list[Job] = []
        for job, ending in endings:
            change = ending.change(job, now, settings)
            if job.unique_digest is not None and ends_life(change):
                unique.append(job)
            if change.deletes:
                deleted.append(job)
            else:
                changed.append((job, change))
        if unique and not repeated:
            tell_merged(self._queries, unique)
        lost = self._delete(deleted, repeated=repeated) if deleted else []
        return lost + self._change_each(changed) if changed else lost

    def release(self, jobs: Sequence[Job], *, started: bool) -> list[Job]:
        """Hand back *jobs*, counted if they had *started*; return those that were no longer ours.

        Those that somebody has cancelled are ended instead, and know it afterwards.
        """
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
        if job.unique_key is None and not repeated and not hands_back(change):
            return False
        return not self._not_ours([(job, change)], repeated=repeated)

    def _not_ours(self, changes: Sequence[OwnChange], *, repeated: bool = True) -> list[Job]:
        """Return those that are not left as by our own changes.

        Those that somebody has cancelled are ended, and those that are wanted again are given their run.
        """
        found = self._look(job for job, _ in changes)
        cancelled = _note_cancelled([job for job, change in changes if hands_back(change)], found)
        rest = {(job.id, job.lock_token): change for job, change in changes if job not in cancelled}
        again, others = self._wanted_again((job for job, _ in changes if (job.id, job.lock_token) in rest), found)

        def is_ours(job: Job) -> bool:
            left, change = found.get(job.id), rest[job.id, job.lock_token]
            if repeated and hands_back(change) and _was_cancelled(job, left):
                return True
            return repeated and (is_left_as(job, change, left) or is_honoured(job, left))

        lost = self._cancel(cancelled, repeated=repeated) + honour(self._queries, again)
        return lost + [job for job in others if not is_ours(job)]

    def _cancel(self, jobs: Iterable[Job], *, repeated: bool) -> list[Job]:
        """End *jobs*, which somebody has cancelled; return those that were no longer ours."""
        return [job for job in jobs if not self.end(job, transitions.RunCancelled(), repeated=repeated)]

    def _change_each(self, changes: Sequence[OwnChange]) -> list[Job]:
        """Make each job's own change; return those that were not ours."""
        if len(changes) <= 1 or not self._queries.is_real:
            return [job for job, change in changes if not self._end(job, change, repeated=True)]
        parts: tuple[list[OwnChange], list[OwnChange]] = [], []
        for job, change in changes:
            parts[_is_free(job, change)].append((job, change))
        others, free = parts
        joint, large = joined(free)
        others += large
        lost = [job for part in joint for job in self._change_jointly(part)]
        return lost + self._change_one_by_one(others) if others else lost

    def _change_jointly(self, changes: Sequence[OwnChange]) -> list[Job]:
        """Make the changes of jobs that are alike in one write; return those that were not ours."""
        guard, update = held_groups([job for job, _ in changes]), to_joint_update(changes)
        if self.collection.update_many(guard, update).matched_count == len(changes):
            return []
        return self._not_ours(changes)

    def _change_one_by_one(self, changes: Sequence[OwnChange]) -> list[Job]:
        by_id = self._queries.by_id
        writes = [UpdateOne(held_to_end(job, change), to_update(change), hint=by_id) for job, change in changes]
        if self.collection.bulk_write(writes, ordered=False).matched_count == len(changes):
            return []
        return self._not_ours(changes)

    def _write_renewal(
        self,
        jobs: Sequence[Job],
        change: Change,
        telling: Sequence[OwnChange],
        also: Mapping[str, Any] = _NOTHING,
    ) -> int:
        """Make *change* to *jobs*, and each its own to those *telling*, while they are held and match *also*.

        Return how many were.
        """
        guard = held_groups(jobs, also) if jobs else None
        written = self.collection.update_many(guard, to_update(change)).matched_count if guard else 0
        return written + self._write_each(telling, also)

    def _write_each(self, changes: Sequence[OwnChange], also: Mapping[str, Any] = _NOTHING) -> int:
        """Make each job's own change, which sets fields, while it is held and matches *also*; return how many were."""
        jobs, by_id = self.collection, self._queries.by_id
        if len(changes) <= 1 or not self._queries.is_real:  # mongomock has no stages
            return sum(
                jobs.update_one({**held(job), **also}, to_update(change), hint=by_id).matched_count
                for job, change in changes
            )
        joint, large = joined(changes)
        written = 0
        for part in joint:
            guard = held_groups((job for job, _ in part), also)
            written += jobs.update_many(guard, to_joint_update(part)).matched_count
        if large:
            each = [UpdateOne({**held(job), **also}, to_update(change), hint=by_id) for job, change in large]
            written += jobs.bulk_write(each, ordered=False).matched_count
        return written

    def _change_all(self, jobs: Sequence[Job], change: Change) -> list[Job]:
        """Make the same change to all *jobs*; return those that were not ours."""
        if ends_run(change) and any(job.unique_key is not None for job in jobs):
            return self._change_each([(job, change) for job in jobs])
        if len(jobs) == 1:
            return [] if self._end(jobs[0], change, repeated=True) else [*jobs]
        guard = held_groups(jobs, NOT_CANCELLED) if hands_back(change) else held_groups(jobs)
        if self.collection.update_many(guard, to_update(change)).matched_count == len(jobs):
            return []
        return self._not_ours([(job, change) for job in jobs])

    def _look(self, jobs: Iterable[Job]) -> dict[JobId, Document]:
        """Read who holds *jobs* now; missing jobs are left out."""
        ids = [job.id for job in jobs]
        fields = dict.fromkeys(("state", "lock_token", "cancellation", *_COUNTERS), 1)
        return {found["_id"]: found for found in self._queries.find({"_id": {"$in": ids}}, fields)}


def _is_free(job: Job, change: Change) -> bool:
    """Whether the end of *job* depends on nothing that somebody else may write: it has completed, and is not unique."""
    return job.unique_key is None and change.sets["state"] == COMPLETED


def is_held(job: Job, found: Document | None) -> bool:
    """Whether the document *found* still carries the lock that *job* was reserved with."""
    return found is not None and found.get("state") == RUNNING and found.get("lock_token") == job.lock_token


def _note_cancelled(jobs: Iterable[Job], found: Mapping[JobId, Document]) -> list[Job]:
    """Return those of *jobs* that are held but cancelled, according to the documents *found*, and let them know it."""
    cancelled: list[Job] = []
    for job in jobs:
        document = found.get(job.id)
        if document is not None and is_held(job, document) and document.get("cancellation") is not None:
            job.note_cancellation(to_shown_job(document).cancellation or {})
            cancelled.append(job)
    return cancelled


def _was_cancelled(job: Job, found: Document | None) -> bool:
    """Whether the document *found* is as an earlier try would have left *job* that was cancelled, and let it know."""
    if found is None or not is_left_as(job, _CANCELLED, found):
        return False
    job.note_cancellation(to_shown_job(found).cancellation or {})
    return True


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
