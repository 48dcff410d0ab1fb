"""Enqueueing: ``insert`` and ``insert_many``.

The danger is an answer that gets lost: the job may be stored, run and deleted before a second try, which would then
run it twice. So a job with an id made by us is tried again only after errors that prove that nothing was written,
beyond what the driver does (it repeats a write under a number that the server recognises). A job whose id the caller
chose stays in the store after it ended, so it can be tried again after any error.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from mongojobs.core.errors import EnqueueUnknownError, PartialEnqueueError, StoreUnavailableError
from mongojobs.core.job import Job, JobId
from mongojobs.core.settings import Settings
from mongojobs.store import clients, faults
from mongojobs.store.documents import to_document
from mongojobs.store.filters import in_parts
from mongojobs.store.queries import Queries
from mongojobs.store.time_limits import time_left, time_limit

_FIRST_DELAY_SECONDS: Final = 0.05
_LONGEST_DELAY_SECONDS: Final = 1.0
_MOST_REASONS: Final = 3


class Inserting:
    """The part of the store that enqueueing uses; *session* is the one in force."""

    def __init__(self, queries: Queries) -> None:
        self._client = queries.client
        self._settings = queries.settings
        self._collection = queries.collection
        self._enqueue = clients.enqueue_handle(queries.collection, queries.settings)
        self._transaction = clients.transaction_handle(queries.collection)
        self._confirmed = clients.confirmed_handle(queries.collection)

    def insert(self, job: Job, *, session: clients.Session | None = None) -> bool:
        """Store a new job, trying for up to ``enqueue_timeout``; return False if its id already exists."""
        deadline = _Deadline(self._settings)
        if session is not None and session.in_transaction:
            return self._insert_in_transaction([job], session, deadline) == 1
        doubtful = False
        while True:
            try:
                with deadline.limit():
                    self._enqueue.insert_one(to_document(job), session=session)
                return True
            except DuplicateKeyError as error:
                if not faults.is_duplicate_id(error):
                    raise
                self._confirm([job], deadline, session)
                return doubtful or not job.id_given
            except PyMongoError as error:
                doubtful = doubtful or faults.is_ambiguous(error)
                if doubtful and not job.id_given:
                    raise _unknown([job], error) from error
                if not (faults.is_passing(error) and deadline.allows_another_try()):
                    raise (_unknown([job], error) if doubtful else faults.not_stored(error)) from error

    def insert_many(self, jobs: Sequence[Job], *, session: clients.Session | None = None) -> None:
        """Store new jobs in one round trip and in no order."""
        if not jobs:
            return
        deadline = _Deadline(self._settings)
        if session is not None and session.in_transaction:
            self._insert_in_transaction(jobs, session, deadline)
            return
        while True:
            try:
                with deadline.limit():
                    documents = [to_document(job) for job in jobs]
                    self._enqueue.insert_many(documents, ordered=False, session=session)
                return
            except BulkWriteError as error:
                self._sort_out(jobs, error, deadline, session)
                return
            except PyMongoError as error:
                if faults.is_ambiguous(error):
                    self._confirm(jobs, deadline, session, cause=error)
                    return
                if not (faults.is_passing(error) and deadline.allows_another_try()):
                    raise faults.not_stored(error) from error

    def _insert_in_transaction(self, jobs: Sequence[Job], session: clients.Session, deadline: _Deadline) -> int:
        """Store those of *jobs* that do not exist; return how many. A duplicate key would abort the transaction."""
        given = [job.id for job in jobs if job.id_given]
        with deadline.limit():
            there = _there(self._transaction, given, session)
            documents = [to_document(job) for job in jobs if job.id not in there]
            if documents:
                self._transaction.insert_many(documents, ordered=False, session=session)
        return len(documents)

    def _sort_out(
        self, jobs: Sequence[Job], error: BulkWriteError, deadline: _Deadline, session: clients.Session | None
    ) -> None:
        """Work out which of *jobs* are stored after a write that partly failed."""
        refused = {
            detail["index"]: faults.in_one_line(str(detail.get("errmsg", "")))
            for detail in error.details.get("writeErrors", [])
            if not faults.is_duplicate_id_detail(detail)
        }
        stored = [job for index, job in enumerate(jobs) if index not in refused]
        if error.details.get("writeConcernErrors"):
            self._confirm(stored, deadline, session, cause=error)
        if refused:
            reasons = {jobs[index].id: refused[index] for index in sorted(refused)}
            raise PartialEnqueueError(
                f"{len(stored)} of {len(jobs)} jobs were stored; the database refused the others:"
                f" {'; '.join(sorted(set(reasons.values()))[:_MOST_REASONS])}",
                stored=[job.id for job in stored],
                reasons=reasons,
            ) from error

    def _confirm(
        self,
        jobs: Sequence[Job],
        deadline: _Deadline,
        session: clients.Session | None,
        *,
        cause: PyMongoError | None = None,
    ) -> None:
        """Wait until a majority of the nodes holds *jobs*, as after any acknowledged write.

        Raises EnqueueUnknownError for those that cannot be seen: not stored, not confirmed, or run in the meantime.
        """
        missing = list(jobs)
        while True:
            try:
                with deadline.limit():
                    missing = self._unseen(missing, session)
            except PyMongoError as error:
                cause = cause or error
            if not missing:
                return
            if not deadline.allows_another_try():
                raise _unknown(missing, cause) from cause

    def _unseen(self, jobs: Sequence[Job], session: clients.Session | None) -> list[Job]:
        handle = self._confirmed if self._settings.write_concern == "majority" else self._collection
        seen = _there(handle, [job.id for job in jobs], session)
        return [job for job in jobs if job.id not in seen]


def _there(jobs: clients.Jobs, ids: Sequence[JobId], session: clients.Session | None) -> set[JobId]:
    """Return those of *ids* that are among *jobs*."""
    queries = [{"_id": {"$in": part}} for part in in_parts(ids)]
    return {found["_id"] for query in queries for found in jobs.find(query, {"_id": 1}, session=session)}


class _Deadline:
    """The time that an enqueue has for its insert: the rest of ``enqueue_timeout``.

    Raises StoreUnavailableError when none is.
    """

    def __init__(self, settings: Settings) -> None:
        seconds = min(settings.enqueue_timeout.total_seconds(), time_left())
        if not seconds:
            raise StoreUnavailableError("the database is not available: it did not answer within enqueue_timeout")
        self._ends = time.monotonic() + seconds
        self._delay = _FIRST_DELAY_SECONDS

    def limit(self) -> AbstractContextManager[None]:
        """Make the driver give up, inside the block, once the time is over; until then it retries writes."""
        return time_limit(self._ends - time.monotonic())

    def allows_another_try(self) -> bool:
        """Wait a little, longer each time, and say whether there is time left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            return False
        threading.Event().wait(min(self._delay * random.uniform(0.5, 1.0), left))
        self._delay = min(self._delay * 2, _LONGEST_DELAY_SECONDS)
        return True


def _unknown(jobs: Sequence[Job], cause: BaseException | None) -> EnqueueUnknownError:
    """Return the error for *jobs* that may or may not be stored."""
    ids = [job.id for job in jobs]
    why = "the writes are not confirmed" if cause is None else faults.describe(cause)
    if len(ids) == 1:
        said = f"the job {ids[0]} may be stored, once: {why}; enqueue it again with this job_id to be sure"
    else:
        said = f"{len(ids)} jobs may be stored, each once: {why}"
    return EnqueueUnknownError(said, job_id=ids[0] if len(ids) == 1 else ids)
