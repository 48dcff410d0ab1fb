"""Storing a unique job, or merging its call into the job that holds its key.

The unique index decides, not a look before the write: of many calls at once it stores one, and each of the others finds
out who was first. What a call then changes in that job is guarded by all that it was worked out from; when that has
changed meanwhile, or the job is gone, the call starts again with an insert.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from mongojobs.core.errors import (
    DuplicateJobError,
    EnqueueRefusedError,
    EnqueueUnknownError,
    PartialEnqueueError,
)
from mongojobs.core.job import Job, JobId
from mongojobs.core.words.wording import counted
from mongojobs.store import clients, faults, indexes
from mongojobs.store.documents import to_document, to_shown_job, to_update
from mongojobs.store.filters import in_parts, one
from mongojobs.store.queries import Queries
from mongojobs.store.time_limits import time_left, time_limit
from mongojobs.store.unique.answers import MERGED, answer, as_seen, damage_of_holder, may_be_left_out
from mongojobs.store.unique.retake import free
from mongojobs.unique.terms import Terms

_ONLY_KEY: Final = {"_id": 0, "unique_key": 1}


class Inserting(Protocol):
    """The part of the store that stores jobs."""

    def insert(self, job: Job, *, session: clients.Session | None = None) -> bool:
        """Store a new job; False if its id is there already."""
        ...

    def insert_many(self, jobs: Sequence[Job], *, session: clients.Session | None = None) -> None:
        """Store new jobs in one round trip."""
        ...


class UniqueInserting:
    """The part of the store that enqueueing uses for unique jobs; *session* is the one in force."""

    def __init__(self, queries: Queries, inserting: Inserting) -> None:
        self._queries = queries
        self._collection = queries.collection
        self._transaction = clients.transaction_handle(queries.collection)
        self._inserting = inserting
        self._has_index = not queries.is_real

    def insert(self, job: Job, terms: Terms, *, session: clients.Session | None = None) -> Job:
        """Store *job* and return it, or the one that holds its key, as the call has changed it.

        Raises DuplicateJobError where that is asked for, and as ``JobStore.insert``.
        """
        if not self._has_index:
            self._require_index()
        if session is not None and session.in_transaction:
            return self._insert_in_transaction(job, terms, session)
        while True:
            stored = self._try(job, session)
            if stored is None:
                with self._limited():
                    stored = self._meet(job, terms, session)
            if stored is not None:
                return stored

    def insert_many(
        self, jobs: Sequence[Job], terms: Terms, *, session: clients.Session | None = None
    ) -> dict[JobId, Job]:
        """Store those of *jobs* whose keys are free, in one round trip; return for the others which job holds the key.

        It looks first, since one duplicate makes the server repeat the whole insert, one by one. Raises
        PartialEnqueueError, also for those that are refused as duplicates.
        """
        if not self._has_index:
            self._require_index()
        if session is not None and session.in_transaction:
            return insert_each(lambda job: self.insert(job, terms, session=session), jobs)
        first = {job.unique_key: job for job in reversed(jobs)}
        with self._limited():
            held = self.held_keys(list(first), session)
        fresh = [job for job in jobs if first[job.unique_key] is job and job.unique_key not in held]
        collided = self._insert_fresh(fresh, session)
        stored = {job.id for job in fresh} - collided
        rest = [job for job in jobs if job.id not in stored]
        return insert_each(lambda job: self.insert(job, terms, session=session), rest, stored=stored)

    def held_keys(self, keys: Sequence[str | None], session: clients.Session | None = None) -> set[str]:
        """Return those of *keys* that jobs hold."""
        jobs = self._handle(session)
        queries = [{"unique_key": {"$in": part}} for part in in_parts(keys)]
        return {found["unique_key"] for query in queries for found in jobs.find(query, _ONLY_KEY, session=session)}

    def _insert_fresh(self, jobs: Sequence[Job], session: clients.Session | None) -> set[JobId]:
        """Store *jobs*; return the ids of those whose keys others took at the same moment."""
        try:
            self._inserting.insert_many(jobs, session=session)
        except PartialEnqueueError as error:
            collided = {jobs[place].id for place in _collisions(error.__cause__)}
            if collided != set(error.not_stored):
                raise
            return collided
        return set()

    def _try(self, job: Job, session: clients.Session | None) -> Job | None:
        """Store *job*; None if another job holds its key. If its id already exists, return that job."""
        if not self._queries.is_real and self._holder(job, session) is not None:
            return None  # mongomock has no index for this
        try:
            if self._inserting.insert(job, session=session):
                return job
        except DuplicateKeyError:
            return None
        return self._with_its_id(self._collection, job, session) or job

    def _with_its_id(self, jobs: clients.Jobs, job: Job, session: clients.Session | None) -> Job | None:
        there = jobs.find_one(one(job.id), session=session)
        return None if there is None else dataclasses.replace(to_shown_job(there), duplicate=True)

    def _insert_in_transaction(self, job: Job, terms: Terms, session: clients.Session) -> Job:
        """Store *job* by an upsert: a duplicate key would abort the transaction, and this only finds it.

        So would an id that is there already, of a job that ended or has another key: it is looked for before. One that
        came after the transaction's snapshot is an error after which the driver starts it again.
        """
        there = self._with_its_id(self._transaction, job, session) if job.id_given else None
        if there is not None:
            return there
        document = to_document(job)
        key = {"unique_key": {"$eq": document.pop("unique_key")}}
        while True:
            done = self._transaction.update_one(key, {"$setOnInsert": document}, upsert=True, session=session)
            if done.upserted_id is not None:
                return job
            if (there := self._meet(job, terms, session)) is not None:
                return there

    def _meet(self, job: Job, terms: Terms, session: clients.Session | None) -> Job | None:
        """Merge the call of *job* into the one that holds its key, and return that; None if it is already gone."""
        in_transaction = session is not None and session.in_transaction
        handle = self._handle(session)
        try:
            holder = self._holder(job, session)
            if holder is None or holder.id == job.id:  # its own: the answer to the insert was lost
                return holder and job
            now = self._queries.clock.now()
            is_free = free(handle, holder, now, session=session)
            change = None if is_free else answer(holder, job, terms)
        except PyMongoError as error:
            if in_transaction:
                raise
            raise faults.not_stored(error) from error
        if change is None:
            return None
        if in_transaction and change is MERGED:  # only read, so that the worker does not wait for the transaction
            return dataclasses.replace(holder, duplicate=True)
        if holder.is_transacting(now) and may_be_left_out(
            change, holder, now
        ):  # only read: a write would undo that one
            return dataclasses.replace(holder, duplicate=True)
        return self._merge(holder, change, session)

    def _merge(self, holder: Job, change: Any, session: clients.Session | None) -> Job | None:
        guard = one(holder.id) | {"unique_key": {"$eq": holder.unique_key}}
        if change is not MERGED:
            guard |= as_seen(holder)
        try:
            done = self._handle(session).update_one(guard, to_update(change), session=session)
        except PyMongoError as error:
            if session is not None and session.in_transaction:
                raise
            if change is MERGED and faults.is_refused(error):  # who may not count may be told all the same
                return dataclasses.replace(holder, duplicate=True)
            raise _unknown(holder, error) from error
        merged = change.applied_to(holder)
        return dataclasses.replace(merged, duplicate=True) if done.matched_count else None

    def _holder(self, job: Job, session: clients.Session | None) -> Job | None:
        """Return the job that holds the key of *job*. Raises EnqueueRefusedError if no write could recognise it."""
        found = self._handle(session).find_one({"unique_key": {"$eq": job.unique_key}}, session=session)
        if found is None:
            return None
        holder = to_shown_job(found)
        if damage := damage_of_holder(holder, found):
            raise EnqueueRefusedError(f"another job holds the key of {job.name}, and {damage}")
        return holder

    def _handle(self, session: clients.Session | None) -> clients.Jobs:
        return self._transaction if session is not None and session.in_transaction else self._collection

    def _limited(self) -> AbstractContextManager[None]:
        """Limit the requests in the block to what is left of ``enqueue_timeout``."""
        return time_limit(min(self._queries.settings.enqueue_timeout.total_seconds(), time_left()))

    def _require_index(self) -> None:
        """Raise EnqueueRefusedError without the index that keeps unique jobs unique; look for it until it is there."""
        try:
            with self._limited():
                self._has_index = indexes.has_unique_index(self._collection)
        except PyMongoError as error:
            if not faults.is_refused(error):
                raise faults.not_stored(error) from error
            self._has_index = True  # who may not look for it must trust that it is there
        if not self._has_index:
            raise EnqueueRefusedError(
                f"a unique job needs the index {indexes.UNIQUE} of the collection {self._collection.name}, which is"
                " missing: run `mongojobs create-indexes`, which also says if this collection cannot have it"
            )


def insert_each(insert: Callable[[Job], Job], jobs: Iterable[Job], *, stored: Iterable[JobId] = ()) -> dict[JobId, Job]:
    """Insert each of *jobs*; return for each duplicate the job that it duplicates.

    Raises PartialEnqueueError for those that are refused, which names these and those that are *stored* already.
    """
    done, others, refused = list(stored), dict[JobId, Job](), dict[JobId, str]()
    for job in jobs:
        try:
            found = insert(job)
        except (DuplicateJobError, EnqueueRefusedError) as error:
            refused[job.id] = str(error)
            continue
        if found.duplicate:
            others[job.id] = found
        else:
            done.append(job.id)
    if refused:
        raise PartialEnqueueError(
            f"refused {counted(len(refused), 'job')} whose keys other jobs hold: {next(iter(refused.values()))}",
            stored=done,
            reasons=refused,
        )
    return others


def _collisions(error: BaseException | None) -> list[int]:
    """Return the positions of the documents that were refused because of their keys."""
    details = (error.details or {}).get("writeErrors", []) if isinstance(error, BulkWriteError) else []
    return [detail["index"] for detail in details if detail.get("keyPattern") == {"unique_key": 1}]


def _unknown(holder: Job, error: PyMongoError) -> Exception:
    if not faults.is_ambiguous(error):
        return faults.not_stored(error)
    return EnqueueUnknownError(
        f"the job {holder.id} may have taken over this call: {faults.describe(error)}; enqueue it again to be sure",
        job_id=holder.id,
    )
