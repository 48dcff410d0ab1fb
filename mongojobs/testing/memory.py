"""The queue of ``fake`` mode: jobs in memory that follow the rules of ``store.jobs``, on a clock that can be moved."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions

from mongojobs.core import transitions
from mongojobs.core.actions import Action
from mongojobs.core.change import DELETED, Change
from mongojobs.core.clock import Clock, truncate
from mongojobs.core.errors import ConfigurationError
from mongojobs.core.inside.log import LoggedRun
from mongojobs.core.job import ENDED, READY, Document, Job, JobId, State
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.retry import ALONE_FROM_LOSSES
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Ending, RunCancelled, Succeeded
from mongojobs.store.documents import to_document, to_job
from mongojobs.store.jobs import QueueSelector, Rescued, Spread
from mongojobs.store.lifecycle.end import is_held, is_left_as
from mongojobs.store.logs.reading import runs_of
from mongojobs.store.unique.again import ends_run, hands_back, rerun
from mongojobs.store.unique.answers import MERGED, answer, is_over
from mongojobs.store.unique.insert import insert_each
from mongojobs.store.unique.retake import refused
from mongojobs.unique.terms import Terms

_AS_STORED: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


class MovableClock:
    """Another clock's time, moved as far as a test has asked."""

    def __init__(self, base: Callable[[], Clock]) -> None:
        self._base = base
        self.moved: timedelta = timedelta(0)

    def now(self) -> datetime:
        """Return the moved time."""
        return truncate(self._base().now() + self.moved)


class MemoryStore:
    """The single-job methods of ``JobStore``, and what people do with one job; threads may share it.

    It applies the transitions that the database is sent. Jobs go through BSON on their way in, so that what comes out
    is what a database would give back. There are no indexes and no sessions.
    """

    def __init__(self, clock: Clock, settings: Callable[[], Settings]) -> None:
        self.clock = clock
        self._settings = settings
        self._jobs: dict[JobId, Job] = {}
        self._chunks: list[Document] = []
        self._changing = threading.RLock()
        self.on_cancelled: Callable[[Job], object] = lambda _job: None
        """Called with a running job that was cancelled."""

    @property
    def settings(self) -> Settings:
        """The settings of the app as they are now."""
        return self._settings()

    @property
    def collection(self) -> Any:
        """Refuse, as there is no collection. Raises ConfigurationError."""
        raise ConfigurationError(
            "in fake mode jobs are kept in memory, so there is no collection to query: use"
            " mongojobs.testing.enqueued_jobs(), or mode('real')"
        )

    def insert(self, job: Job, *, session: Any = None) -> bool:  # noqa: ARG002 - memory takes part in no transaction
        """Keep a new job; False if its id is there already."""
        with self._changing:
            if job.id in self._jobs:
                return False
            self._jobs[job.id] = stored(job)
            return True

    def insert_many(self, jobs: Sequence[Job], *, session: Any = None) -> None:
        """Keep new jobs."""
        for job in jobs:
            self.insert(job, session=session)

    def insert_unique(self, job: Job, terms: Terms, *, session: Any = None) -> Job:
        """Keep *job*, or merge its call into the one that holds its key. Raises DuplicateJobError."""
        with self._changing:
            holder = self._holder(job.unique_key)
            if holder is not None and is_over(holder, self.clock.now()):
                self._write(holder, Change(unsets=("unique_key",)))
                holder = None
            if holder is None:
                there = None if self.insert(job, session=session) else self.get(job.id)
                return job if there is None else dataclasses.replace(there, duplicate=True)
            self._write(holder, answer(holder, job, terms))
            return dataclasses.replace(self._jobs[holder.id], duplicate=True)

    def insert_many_unique(self, jobs: Sequence[Job], terms: Terms, *, session: Any = None) -> dict[JobId, Job]:
        """Keep *jobs*; return for each duplicate the job that it duplicates. Raises PartialEnqueueError."""
        return insert_each(lambda job: self.insert_unique(job, terms, session=session), jobs)

    def held_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of these unique *keys* that jobs hold."""
        with self._changing:
            return {job.unique_key for job in self._jobs.values() if job.unique_key is not None} & {*keys}

    def get(self, job_id: JobId) -> Job | None:
        """Return the job with this id, or None, even if what is asked for cannot be an id."""
        with self._changing:
            return next((job for job in self._jobs.values() if job.id == job_id), None)

    def keep_log(self, chunks: Sequence[Document]) -> None:
        """Keep what a job has logged."""
        self._chunks += chunks

    def logs(self, job_id: JobId) -> list[LoggedRun]:
        """Return what is kept of the log of a job, by run."""
        return runs_of(chunk for chunk in self._chunks if chunk["job_id"] == job_id)

    def unfinished(self, job_ids: Collection[JobId]) -> set[JobId]:
        """Return those of *job_ids* whose jobs are there and have yet to end."""
        with self._changing:
            return {job_id for job_id in job_ids if job_id in self._jobs and self._jobs[job_id].state not in ENDED}

    def ends(self) -> None:
        """Return nothing, since memory tells of no ends."""

    def count_queued(self, queue: str, *, limit: int) -> int:
        """Return how many jobs of *queue* are ready, at most *limit*."""
        with self._changing:
            return min(sum(job.state == READY and job.queue == queue for job in self._jobs.values()), limit)

    def find(self, *, state: State, limit: int) -> list[Job]:
        """Return jobs in *state*, those due last first; all of them if *limit* is 0."""
        with self._changing:
            found = sorted((job for job in self._jobs.values() if job.state == state), key=lambda job: job.run_at)
        return found[-limit:][::-1]

    def reserve(
        self,
        wanted: QueueSelector,
        *,
        token: str,
        by: str,
        lease: timedelta,
        now: datetime | None = None,
        limit: int = 1,  # noqa: ARG002 - one is at most any number of them
        beside: bool = False,
        spread: Spread | None = None,  # noqa: ARG002 - nobody else is in the way
    ) -> list[Job]:
        """Return the most urgent due job in a list, locked under *token*; an empty list if none is due.

        With *beside*, the process holds other jobs, and one that lost two workers is left out.
        """
        now = now or self.clock.now()
        with self._changing:
            due = [job for job in self._jobs.values() if _is_reservable(job, wanted, now=now, beside=beside)]
            if not due:
                return []
            job = min(due, key=_urgency)
            self._write(job, transitions.reserved(token=token, by=by, now=now, lease=lease))
            if job.unique_until is not None:
                self._write(self._jobs[job.id], Change(unsets=("unique_key",)))
            return [self._jobs[job.id]]

    def renew(self, jobs: Sequence[Job], *, lease: timedelta, telling: Sequence[Job] = ()) -> list[Job]:
        """Extend the locks of *jobs* and of those *telling* by another *lease* from now; return those no longer ours.

        The latter store what they have told of themselves. Those that somebody has cancelled know it afterwards.
        """
        renewal = transitions.renewed(until=self.clock.now() + lease)
        changes = [(job, renewal) for job in jobs] + [(job, transitions.told(job, renewal=renewal)) for job in telling]
        lost = [job for job, change in changes if not self._change_held(job, change, repeated=False)]
        for job, _ in changes:
            if job not in lost:
                self._note_cancelled(job)
        return lost

    def tell(self, jobs: Sequence[Job]) -> list[Job]:
        """Keep what *jobs* have told of themselves; return those that are no longer ours."""
        return [job for job in jobs if not self._change_held(job, transitions.told(job), repeated=False)]

    def finish(self, jobs: Sequence[Job], *, repeated: bool = False) -> list[Job]:
        """End the runs of *jobs*, which succeeded; return those that were no longer ours."""
        return self.end_all([(job, Succeeded()) for job in jobs], repeated=repeated)

    def end(self, job: Job, ending: Ending, *, repeated: bool = False) -> bool:
        """Write how the run of *job* ended; return False if it was no longer ours."""
        return self._change_held(job, ending.change(job, self.clock.now(), self.settings), repeated=repeated)

    def end_all(self, endings: Sequence[tuple[Job, Ending]], *, repeated: bool = False) -> list[Job]:
        """Write how the runs of many jobs ended; return those that were no longer ours."""
        now, settings = self.clock.now(), self.settings
        changes = [(job, ending.change(job, now, settings)) for job, ending in endings]
        return self._change_each(changes, repeated=repeated)

    def release(self, jobs: Sequence[Job], *, started: bool) -> list[Job]:
        """Hand back *jobs* that were not ended; return those that were no longer ours."""
        now, settings = self.clock.now(), self.settings
        changes = [(job, transitions.released(job, started=started, now=now, settings=settings)) for job in jobs]
        return self._change_each(changes)

    def rescue(self, *, by: str, limit: int = 50) -> list[Rescued]:
        """Take back jobs whose lease has expired."""
        with self._changing:
            return [self._take_back(job, by=by) for job in self._expired()[:limit]]

    def act(self, action: Action, job_id: JobId, **given: Any) -> Job:
        """Do *action* with one job and return the job as changed, or as it was if it is gone. Raises StateError."""
        job = self._act(action, job_id, **given)
        if job.cancelling:
            self.on_cancelled(job)
        return job

    def _act(self, action: Action, job_id: JobId, **given: Any) -> Job:
        with self._changing:
            job = self.get(job_id)
            if job is None or job.state not in action.stored_states:
                raise action.refusal(job_id, None if job is None else job.state)
            merge = given.pop("merge", False)
            if action.takes_key:
                holder = self._holder(job.unique_digest)
                if merge and holder is not None and not is_over(holder, self.clock.now()):
                    return self._drop(job, holder)
                given["key"] = self._free_key(job)
            self._write(job, action.change(self.clock.now(), **given))
            return self._jobs.get(job_id, job)

    def _drop(self, job: Job, holder: Job) -> Job:
        """Delete *job*, counted as a call merged into *holder*, and return that."""
        self._write(job, DELETED)
        self._write(holder, MERGED)
        return dataclasses.replace(self._jobs[holder.id], duplicate=True)

    def _free_key(self, job: Job) -> str | None:
        """Return the key that *job* had. Raises StateError if another job holds it."""
        holder = self._holder(job.unique_digest)
        if holder is not None and not is_over(holder, self.clock.now()):
            raise refused(job.id, holder)
        if holder is not None:
            self._write(holder, Change(unsets=("unique_key",)))
        return job.unique_digest

    def _holder(self, key: str | None) -> Job | None:
        return next((job for job in self._jobs.values() if key is not None and job.unique_key == key), None)

    def _expired(self) -> list[Job]:
        now = self.clock.now()
        return [job for job in self._jobs.values() if job.locked_until is not None and job.locked_until <= now]

    def _take_back(self, job: Job, *, by: str) -> Rescued:
        change = self._or_again(job, transitions.rescued(job, by=by, now=self.clock.now(), settings=self.settings))
        self._write(job, change)
        return Rescued.of(job, change)

    def _change_each(self, changes: Iterable[tuple[Job, Change]], *, repeated: bool = False) -> list[Job]:
        """Make a change to each job; return those that were not ours.

        One that is left as by this very change counts as ours; where that is to be gone, only if *repeated*.
        """
        return [
            job
            for job, change in changes
            if not self._change_held(job, change, repeated=repeated or not change.deletes)
        ]

    def _change_held(self, job: Job, change: Change, *, repeated: bool) -> bool:
        """Make one change to a job that is held; return whether it was ours."""
        with self._changing:
            found = self._jobs.get(job.id)
            document = None if found is None else to_document(found)
            if not is_held(job, document):
                return repeated and (found is None if change.deletes else is_left_as(job, change, document))
            if hands_back(change) and self._note_cancelled(job):
                change = RunCancelled().change(job, self.clock.now(), self.settings)
            self._write(job, self._or_again(self._jobs[job.id], change))
            return True

    def _note_cancelled(self, job: Job) -> bool:
        """Return whether somebody has cancelled *job*, which is held, and let it know."""
        cancellation = self._jobs[job.id].cancellation
        if cancellation is not None:
            job.note_cancellation(cancellation)
        return cancellation is not None

    def _or_again(self, job: Job, change: Change) -> Change:
        """Return *change*, or the rerun if it ends the run of a *job* that was called again."""
        return rerun(job, self.clock.now()) if job.again is not None and ends_run(change) else change

    def _write(self, job: Job, change: Change) -> None:
        changed = change.applied_to(self._jobs[job.id])
        if changed is None:
            del self._jobs[job.id]
        else:
            self._jobs[job.id] = stored(changed)


def stored(job: Job) -> Job:
    """Return *job* as a database would: through BSON."""
    return to_job(through_bson(to_document(job)))


def through_bson(document: Document) -> Document:
    """Return *document* as the driver would after storing it."""
    return bson.decode(bson.encode(document), _AS_STORED)


def _is_reservable(job: Job, wanted: QueueSelector, *, now: datetime, beside: bool) -> bool:
    if job.state != READY or (beside and job.losses >= ALONE_FROM_LOSSES):
        return False
    if wanted.only is not None and job.id != wanted.only:
        return False
    lowest = LOWEST_PRIORITY if wanted.min_priority is None else wanted.min_priority
    highest = HIGHEST_PRIORITY if wanted.max_priority is None else wanted.max_priority
    is_due = job.run_at <= now or wanted.only is not None
    return is_due and lowest <= job.priority <= highest and (not wanted.queues or job.queue in wanted.queues)


def _urgency(job: Job) -> tuple[Any, ...]:
    """Sort jobs as the store does, and ids as MongoDB does: numbers, texts, ObjectIds."""
    return job.priority, job.run_at, isinstance(job.id, ObjectId), isinstance(job.id, str), job.id
