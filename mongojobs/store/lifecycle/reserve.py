"""Reserving: ``reserve``, ``adopt`` and ``earliest_run_at``."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Final

from pymongo.errors import OperationFailure

from mongojobs.core import transitions
from mongojobs.core.change import Change
from mongojobs.core.clock import Clock
from mongojobs.core.errors import DamagedPayloadError
from mongojobs.core.job import READY, RUNNING, Document, Job, JobId
from mongojobs.core.retry import ALONE_FROM_LOSSES
from mongojobs.store import faults, filters, indexes
from mongojobs.store.clients import Jobs
from mongojobs.store.documents import to_job, to_update
from mongojobs.store.filters import RESERVE_ORDER, QueueSelector
from mongojobs.store.lifecycle.end import Holding
from mongojobs.store.lifecycle.rescue import as_damaged
from mongojobs.store.queries import Quarantined, Queries
from mongojobs.store.unique.again import started

WIDEST_SPREAD: Final = 8
UNDISTURBED_BATCHES: Final = 8
"""After so many batches with which nobody else was quicker a worker comes closer to the head of the queue."""
FIRST_DUE: Final = 100
"""How many of the first due jobs are searched for one that must run alone; the jobs before it go first."""


_IN_ORDER: Final = itemgetter("priority", "run_at")
"""What jobs are sorted by that are in the order of their ids: a dictionary by id costs three calls a job."""


class Spread:
    """How one worker keeps out of the way of others that reserve at the same time; for use by one thread.

    Of so many batches at the head of the queue it takes any one: of twice as many after others were quicker with some
    of a batch, of half as many after that did not happen for some time. What is passed over the server only counts in
    its index; to lock what another is locking costs both of them far more.
    """

    batches: int = 1
    _undisturbed = 0

    def passed_over(self, limit: int) -> int:
        """Return how many jobs to leave to others, where up to *limit* are wanted."""
        return random.randrange(self.batches) * limit

    def learn(self, *, tried: int, got: int) -> None:
        """Note that the locks of so many jobs were *tried*, and how many of these the worker *got*."""
        self._undisturbed = self._undisturbed + 1 if got >= tried else 0
        if not self._undisturbed:
            self.batches = min(self.batches * 2, WIDEST_SPREAD)
        elif self._undisturbed % UNDISTURBED_BATCHES == 0:
            self.batches = max(self.batches // 2, 1)


class Reserving:
    """The part of the store that finds the next jobs and locks them."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self.collection: Jobs = queries.collection
        self.clock: Clock = queries.clock

    def reserve(
        self,
        wanted: QueueSelector,
        *,
        token: str,
        by: str,
        lease: timedelta,
        now: datetime,
        limit: int,
        beside: bool,
        spread: Spread,
    ) -> list[Job]:
        """Lock up to *limit* due jobs; if others took all that was found, try once more with others."""
        index = _index_for(wanted)
        while True:
            query = filters.reservable(wanted, now=now, beside=beside)
            lock = transitions.reserved(token=token, by=by, now=now, lease=lease)
            try:
                if limit == 1:
                    ids, found = None, self._queries.change_first(query, to_update(lock), RESERVE_ORDER, index=index)
                else:
                    ids = self._candidates(query, index, limit=limit, passed_over=spread.passed_over(limit))
                    found = self._take_all(ids, query, lock)
                    spread.learn(tried=len(ids), got=len(found))
            except OperationFailure as error:
                if not faults.is_wrong_type(error) or not self._clear_the_way(query, index, limit):
                    raise
                if jobs := self.adopt(token, lease=lease):  # those that were locked before the server came to that one
                    return jobs
                continue
            jobs = self._readable(found)
            if jobs or not (found or ids):
                return jobs

    def adopt(self, token: str, *, lease: timedelta) -> list[Job]:
        """Return the jobs locked under *token*, after renewing their locks."""
        query = filters.with_token(token)
        found = self._queries.find(query, index=indexes.RUNNING)
        jobs = sorted(self._readable(found), key=lambda job: (job.priority, job.run_at))
        until = self.clock.now() + lease
        lost = {job.id for job in Holding(self._queries).renew(jobs, lease=lease)}
        return [dataclasses.replace(job, locked_until=until) for job in jobs if job.id not in lost]

    def is_suspect_next(self, wanted: QueueSelector) -> bool:
        """Return whether a job that only an empty process may take is among the first due."""
        query = filters.reservable(wanted, now=self.clock.now(), beside=False)
        first = self._queries.find(query, {"losses": 1}, index=_index_for(wanted), sort=RESERVE_ORDER, limit=FIRST_DUE)
        return any(_losses_of(found) >= ALONE_FROM_LOSSES for found in first)

    def has_due(self, wanted: QueueSelector) -> bool:
        """Return whether a wanted job is due, by reading one key."""
        query = filters.reservable(wanted, now=self.clock.now(), beside=False)
        return self._queries.first(query, {"_id": 1}, index=_index_for(wanted), sort=RESERVE_ORDER) is not None

    def earliest_run_at(
        self, wanted: QueueSelector, *, after: datetime, within: timedelta | None = None
    ) -> datetime | None:
        """Return when the first wanted job that is due later than *after* will be due; None if there is none."""
        due: Document = {"$gt": after} if within is None else {"$gt": after, "$lte": after + within}
        query = filters.wanted_ready(wanted) | {"run_at": due}
        found = self._queries.first(query, {"run_at": 1, "_id": 0}, index=indexes.READY_BY_TIME, sort=[("run_at", 1)])
        moment = found["run_at"] if found is not None else None
        return moment if isinstance(moment, datetime) else None

    def _take_all(self, ids: Sequence[JobId], query: Document, lock: Change) -> list[Document]:
        """Lock the candidates that are still due, and read what was locked, except what the lock has written.

        The lock's filter is the whole filter of the candidates, not only their ids: between the two steps another
        worker may have run and rescheduled one, which is ready again, but due in an hour.
        """
        if not ids:
            return []
        taken = self.collection.update_many(query | {"_id": {"$in": ids}}, to_update(lock), hint=self._queries.by_id)
        if taken.matched_count == 0:
            return []
        locked = {"_id": {"$in": ids}, "state": RUNNING, "lock_token": lock.sets["lock_token"]}
        found = self._queries.find(locked, dict.fromkeys(lock.sets, 0), sort=[("_id", 1)])
        return [{**document, **lock.sets} for document in sorted(found, key=_IN_ORDER)]

    def _candidates(self, query: Document, index: str, *, limit: int, passed_over: int) -> list[JobId]:
        """Return the ids of the first due jobs, up to the first that lost a worker before and so must run alone.

        If it killed that worker, the others of its batch would die with it, and after five deaths be given up too.
        Where too few are left behind those that are *passed_over*, it takes the first.
        """
        options: Document = {"index": index, "sort": RESERVE_ORDER, "limit": limit}
        first = self._queries.find(query, {"losses": 1}, skip=passed_over, **options)
        if passed_over and len(first) < limit:
            first = self._queries.find(query, {"losses": 1}, **options)
        suspects = [place for place, found in enumerate(first) if found.get("losses")]
        return [found["_id"] for found in (first[: max(suspects[0], 1)] if suspects else first)]

    def _readable(self, found: Sequence[Document]) -> list[Job]:
        """Turn the documents that we have locked into jobs, setting aside the unreadable ones."""
        jobs: list[Job] = []
        starting: list[Job] = []
        for document in found:
            try:
                jobs.append(job := to_job(document))
                if job.unique_until is not None and job.unique_key is not None:
                    starting.append(job)
            except DamagedPayloadError as error:
                locked = {"_id": {"$eq": document["_id"]}, "lock_token": document["lock_token"]}
                self._set_aside(document, locked | {"state": RUNNING}, str(error))
        return started(self._queries, jobs, starting) if starting else jobs

    def _clear_the_way(self, query: Document, index: str, limit: int) -> int:
        """Set aside candidates whose ``fence`` is not a number, which the server refuses to lock; return how many.

        Without this, one such document at the head of the queue would stop everybody.
        """
        count = 0
        for document in self._queries.find(query, index=index, sort=RESERVE_ORDER, limit=limit + 100):
            try:
                to_job(document)
            except DamagedPayloadError as error:
                self._set_aside(document, {"_id": {"$eq": document["_id"]}, "state": READY}, str(error))
                count += 1
        return count

    def _set_aside(self, document: Document, guard: Document, wrong: str) -> None:
        reason = f"damaged: {wrong}"
        change = as_damaged(document, reason, now=self.clock.now())
        if self.collection.update_one(guard, change).matched_count:
            self._queries.on_damaged(Quarantined(document["_id"], reason))


def ready_queues(queries: Queries) -> list[str]:
    """Return the names of the queues with ready jobs, due or not, by one key per queue. Raises DatabaseError."""
    pipeline: list[Document] = [
        {"$match": {"state": READY, "queue": {"$gte": ""}}},
        {"$sort": {"queue": 1}},
        {"$group": {"_id": "$queue"}},
    ]
    return sorted(found["_id"] for found in queries.aggregate(pipeline, index=indexes.READY_BY_QUEUE))


def _index_for(wanted: QueueSelector) -> str:
    if wanted.only is not None:
        return "_id_"
    return indexes.READY_BY_QUEUE if wanted.queues else indexes.READY


def _losses_of(document: Document) -> int:
    losses = document.get("losses", 0)
    return losses if isinstance(losses, int) else 0
