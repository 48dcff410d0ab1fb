"""What jobs have logged, in a collection beside the jobs: chunks of lines, numbered in each run.

A chunk belongs to a run, by when that began and its number (``fence``), so a worker that has lost its job can only add
to the log of its own run. All filters name the job, so that the collection can be sharded by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from pymongo import WriteConcern
from pymongo.errors import BulkWriteError, OperationFailure

from mongojobs.core.clock import Clock
from mongojobs.core.inside.log import LoggedRun
from mongojobs.core.job import Document, JobId
from mongojobs.core.limits import KEPT_ENTRIES
from mongojobs.core.settings import Settings
from mongojobs.store.clients import Jobs, beside, topology
from mongojobs.store.faults import is_duplicate_id_detail, is_refused
from mongojobs.store.filters import one
from mongojobs.store.logs.reading import LOGS_SUFFIX, ORDER, Pieces, Tail, runs_of, tail_of
from mongojobs.store.queries import Queries
from mongojobs.store.stream import LogStream

READ_MILLISECONDS: Final = 5_000
_FEW: Final = 20


class LogStore:
    """The collection ``delayed_jobs_logs``: named after that of the *jobs*, on the same client."""

    def __init__(self, jobs: Jobs, clock: Clock, settings: Settings) -> None:
        self.collection: Jobs = beside(jobs, LOGS_SUFFIX, write_concern=WriteConcern(w=1))
        self.clock = clock
        self._retention = settings.log_retention

    def write(self, chunks: Sequence[Document], outdated: Iterable[tuple[JobId, Sequence[Any]]] = ()) -> None:
        """Store *chunks*, and remove the *outdated* ones of each job; may be repeated. Raises DatabaseError.

        The first chunk of a run removes the runs of its job that are too long ago.
        """
        gone = [{"job_id": {"$eq": job_id}, "_id": {"$in": [*ids]}} for job_id, ids in outdated]
        gone += [_too_long_ago(chunk) for chunk in chunks if not chunk["n"] and _is_late(chunk)]
        if gone:
            self.collection.delete_many({"$or": gone})
        if chunks:
            self._insert(chunks, self.clock.now() + self._retention)

    def _insert(self, chunks: Sequence[Document], expire_at: datetime) -> None:
        """Store *chunks*, but for those that are stored, as after an answer that was lost."""
        try:
            self.collection.insert_many([{**chunk, "expire_at": expire_at} for chunk in chunks], ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            if details.get("writeConcernErrors") or not all(map(is_duplicate_id_detail, details["writeErrors"])):
                raise

    def read(self, job_id: JobId) -> list[LoggedRun]:
        """Return what is kept of the log of a job, by run, in order. Raises DatabaseError."""
        return runs_of(self._chunks(job_id))

    def tail(self, job_id: JobId, *, lines: int, size: int) -> Tail:
        """Return the last *lines* of the log of a job, of *size* bytes at most. Raises DatabaseError."""
        options = {"sort": [(key, -1) for key in ORDER], "batch_size": _FEW, "max_time_ms": READ_MILLISECONDS}
        with self.collection.find(one(job_id, field="job_id"), **options) as newest_first:
            return tail_of(newest_first, lines=lines, size=size)

    def pieces(self, job_id: JobId) -> Pieces:
        """Return what reads the log of a job piece by piece."""
        return Pieces(partial(self._chunks, job_id))

    def stream(self, job_id: JobId) -> LogStream | None:
        """Open a stream that tells of new lines of a job; None where the server has none. Raises DatabaseError."""
        has_streams = topology(self.collection.database.client) in ("replica set", "sharded")
        return LogStream(self.collection, job_id) if has_streams else None

    def _chunks(self, job_id: JobId, further: Document | None = None) -> Iterable[Document]:
        query = one(job_id, field="job_id") | (further or {})
        return self.collection.find(query, sort=[(key, 1) for key in ORDER], max_time_ms=READ_MILLISECONDS)

    def forget(self, job_ids: Collection[JobId]) -> None:
        """Remove the logs of these jobs, which are deleted. Raises DatabaseError.

        Where that is refused, as to an operator without the right, the server does it when their time is over.
        """
        try:
            self.collection.delete_many({"job_id": {"$in": [*job_ids]}})
        except OperationFailure as error:
            if not is_refused(error):
                raise

    def forget_gone(self, job_ids: Collection[JobId], jobs: Jobs) -> None:
        """Remove the logs of those of *job_ids* that are not among *jobs* any more; as ``forget``."""
        try:
            logged = self.collection.distinct("job_id", {"job_id": {"$in": [*job_ids]}})
        except OperationFailure as error:
            if not is_refused(error):
                raise
            return
        if logged:
            there = jobs.distinct("_id", {"_id": {"$in": logged}})
            self.forget([job_id for job_id in logged if job_id not in there])  # ids of strangers may have no hash


def logs_of(queries: Queries) -> LogStore:
    """Return the logs of the jobs that are asked for by *queries*."""
    return LogStore(queries.collection, queries.clock, queries.settings)


def _is_late(chunk: Document) -> bool:
    return bool(chunk["fence"] > KEPT_ENTRIES)


def _too_long_ago(chunk: Document) -> Document:
    """Match the runs before the last ones of the same job, and none of an earlier job with its id."""
    earlier = {"began": {"$lt": chunk["began"]}, "fence": {"$lte": chunk["fence"] - KEPT_ENTRIES}}
    return {"job_id": {"$eq": chunk["job_id"]}, **earlier}
