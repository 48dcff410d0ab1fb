"""Reserving: ``reserve``, ``adopt`` and ``earliest_run_at``."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.errors import OperationFailure

from mongojobs.core import transitions
from mongojobs.core.errors import DamagedPayloadError
from mongojobs.core.job import READY, RUNNING, Document, Job, JobId
from mongojobs.core.retry import ALONE_FROM_LOSSES
from mongojobs.store import faults, filters, indexes
from mongojobs.store.base import Quarantined, all_of
from mongojobs.store.documents import Update, to_job, to_update
from mongojobs.store.filters import RESERVE_ORDER, QueueSelector
from mongojobs.store.lifecycle.end import Ending
from mongojobs.store.lifecycle.rescue import as_damaged

WIDEST_SPREAD: Final = 8
FIRST_DUE: Final = 100
"""How many of the first due jobs are looked at for one that is to run alone; those before it have their turn first."""


class Reserving(Ending):
    """The part of the store that finds the next jobs and locks them."""

    def reserve(
        self,
        wanted: QueueSelector,
        *,
        token: str,
        by: str,
        lease: timedelta,
        limit: int = 1,
        beside: bool = False,
        spread: int = 1,
    ) -> list[Job]:
        """Lock up to *limit* due jobs under *token*, the most urgent first, and return them; none if none is due.

        *token* must be fresh and random, *by* is a label. The lease is counted from before the write. A job that lost
        a worker before comes alone; with *beside*, the process holds other jobs, and one that lost two is left out.
        With *spread*, the jobs are picked at random among the first so many times *limit*: workers that keep out of
        each other's way get more done. It is also tried, and doubled, when others were quicker with all of the first.
        Jobs that cannot be read are set aside as failed and told to ``on_damaged``, and others are looked for.

        Raises DatabaseError; then some jobs may be locked all the same, and ``adopt`` finds them.
        """
        index = _index_for(wanted)
        while True:
            now = self.clock.now()
            query = filters.reservable(wanted, now=now, beside=beside)
            lock = to_update(transitions.reserved(token=token, by=by, now=now, lease=lease))
            try:
                if limit == 1:
                    ids, found = None, self._take_one(query, lock, index)
                else:
                    ids = self._candidates(query, index, limit=limit, spread=spread)
                    found = self._take_all(ids, query, lock, token=token)
            except OperationFailure as error:
                if not faults.is_wrong_type(error) or not self._clear_the_way(query, index, limit):
                    raise
                if jobs := self.adopt(token, lease=lease):  # those that were locked before the server came to that one
                    return jobs
                continue
            jobs = self._readable(found)
            if jobs or not (found or ids):
                return jobs
            spread = min(spread * 2, WIDEST_SPREAD)

    def adopt(self, token: str, *, lease: timedelta) -> list[Job]:
        """Return the jobs that a ``reserve`` without an answer locked under *token*, after renewing their locks.

        They are read from the primary and renewed with a confirmed write; what that does not match is left out, since
        a reserve that no majority has seen may be taken back by a failover. Raises DatabaseError.
        """
        query = filters.with_token(token)
        found = self._using(indexes.RUNNING, lambda hint: list(self.collection.find(query, hint=hint)))
        jobs = sorted(self._readable(found), key=lambda job: (job.priority, job.run_at))
        until = self.clock.now() + lease
        lost = {job.id for job in self.renew(jobs, lease=lease)}
        return [dataclasses.replace(job, locked_until=until) for job in jobs if job.id not in lost]

    def is_suspect_next(self, wanted: QueueSelector) -> bool:
        """Return whether a job that lost two workers, and that only an empty process may take, is among the first due.

        Raises DatabaseError.
        """
        query = filters.reservable(wanted, now=self.clock.now(), beside=False)

        def look(hint: str | None) -> list[Document]:
            return all_of(self.collection.find(query, {"losses": 1}, sort=RESERVE_ORDER, limit=FIRST_DUE, hint=hint))

        return any(_losses_of(found) >= ALONE_FROM_LOSSES for found in self._using(_index_for(wanted), look))

    def has_due(self, wanted: QueueSelector) -> bool:
        """Return whether a wanted job is due, as cheaply as can be asked: it reads one key. Raises DatabaseError."""
        query = filters.reservable(wanted, now=self.clock.now(), beside=False)

        def look(hint: str | None) -> Document | None:
            return self.collection.find_one(query, {"_id": 1}, sort=RESERVE_ORDER, hint=hint)

        return self._using(_index_for(wanted), look) is not None

    def ready_queues(self) -> list[str]:
        """Return the names of the queues that have ready jobs, due or not, from a key a queue. Raises DatabaseError."""
        query: Document = {"state": READY, "queue": {"$gte": ""}}
        pipeline: list[Document] = [{"$match": query}, {"$sort": {"queue": 1}}, {"$group": {"_id": "$queue"}}]

        def look(hint: str | None) -> list[Document]:
            options: dict[str, Any] = {} if hint is None else {"hint": hint}
            return list(self.collection.aggregate(pipeline, **options))

        return sorted(found["_id"] for found in self._using(indexes.READY_BY_QUEUE, look))

    def earliest_run_at(
        self, wanted: QueueSelector, *, after: datetime, within: timedelta | None = None
    ) -> datetime | None:
        """Return when the first wanted job that is due later than *after* will be due; None if there is none.

        After a ``reserve`` in vain, *after* is a time before it: a job that fell due since is not passed over. With
        *within*, only jobs due so soon count. Jobs of other queues that are due before cost one index key each, so a
        caller that will ask again anyway should say when.
        """
        due: Document = {"$gt": after} if within is None else {"$gt": after, "$lte": after + within}
        query = filters.wanted_ready(wanted) | {"run_at": due}

        def look(hint: str | None) -> Document | None:
            fields = {"run_at": 1, "_id": 0}
            return self.collection.find_one(query, fields, sort=[("run_at", 1)], hint=hint)

        found = self._using(indexes.READY_BY_TIME, look)
        moment = found["run_at"] if found is not None else None
        return moment if isinstance(moment, datetime) else None

    def _take_one(self, query: Document, lock: Update, index: str) -> list[Document]:
        """Find and lock in one step."""

        def take(hint: str | None) -> Document | None:
            return self.collection.find_one_and_update(
                query, lock, sort=RESERVE_ORDER, return_document=ReturnDocument.AFTER, hint=hint
            )

        found = self._using(index, take)
        return [] if found is None else [found]

    def _take_all(self, ids: Sequence[JobId], query: Document, lock: Update, *, token: str) -> list[Document]:
        """Lock those of the candidates that still are, and read what was locked.

        The lock's filter is the whole filter of the candidates, not only their ids: between the two steps another
        worker may have run and rescheduled one, which is ready again, but due in an hour.
        """
        if not ids:
            return []
        taken = self.collection.update_many(query | {"_id": {"$in": ids}}, lock, hint=self._by_id())
        if taken.matched_count == 0:
            return []
        locked = {"_id": {"$in": ids}, "state": RUNNING, "lock_token": token}
        found = {document["_id"]: document for document in all_of(self.collection.find(locked))}
        return [found[job_id] for job_id in ids if job_id in found]

    def _candidates(self, query: Document, index: str, *, limit: int, spread: int) -> list[JobId]:
        """Return the ids of the first due jobs; up to the first that lost a worker before, which must run alone.

        If it killed that worker, the others of its batch would die with it, and after five deaths be given up too.
        """

        def look(hint: str | None) -> list[Document]:
            first = self.collection.find(query, {"losses": 1}, sort=RESERVE_ORDER, limit=limit * spread, hint=hint)
            return _some(all_of(first), limit)

        ids: list[JobId] = []
        for found in self._using(index, look):
            suspect = _losses_of(found) > 0
            if suspect and ids:
                break
            ids.append(found["_id"])
            if suspect:
                break
        return ids

    def _readable(self, found: Sequence[Document]) -> list[Job]:
        """Turn documents that we have locked into jobs, and set aside those that cannot be."""
        jobs = []
        for document in found:
            try:
                jobs.append(to_job(document))
            except DamagedPayloadError as error:
                locked = {"_id": {"$eq": document["_id"]}, "lock_token": document["lock_token"]}
                self._set_aside(document, locked | {"state": RUNNING}, str(error))
        return jobs

    def _clear_the_way(self, query: Document, index: str, limit: int) -> int:
        """Set aside candidates whose ``fence`` is no number, on which the server refuses to lock; return how many.

        Without this, one such document at the head of the queue would stop everybody.
        """

        def look(hint: str | None) -> list[Document]:
            return list(self.collection.find(query, sort=RESERVE_ORDER, limit=limit + 100, hint=hint))

        count = 0
        for document in self._using(index, look):
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
            self.on_damaged(Quarantined(document["_id"], reason))


def _index_for(wanted: QueueSelector) -> str:
    if wanted.only is not None:
        return "_id_"
    return indexes.READY_BY_QUEUE if wanted.queues else indexes.READY


def _some(found: list[Document], count: int) -> list[Document]:
    """Return so many of *found*, picked at random, in their order."""
    if len(found) <= count:
        return found
    return [found[place] for place in sorted(random.sample(range(len(found)), count))]


def _losses_of(document: Document) -> int:
    losses = document.get("losses", 0)
    return losses if isinstance(losses, int) else 0
