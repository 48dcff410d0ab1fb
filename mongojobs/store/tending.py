"""What people do with jobs: ``get``, ``find``, ``cancel``, ``retry``, ``delete``, ``clear``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from bson import MinKey
from pymongo import ReturnDocument

from mongojobs.core.errors import StateError
from mongojobs.core.job import (
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    READY,
    RUNNING,
    STATES,
    Document,
    Job,
    JobId,
    State,
)
from mongojobs.store import indexes
from mongojobs.store.base import StoreBase
from mongojobs.store.documents import to_shown_job
from mongojobs.store.filters import one

CLEARED_AT_ONCE: Final = 1000

_UNDONE: Final = dict.fromkeys(("failed_at", "finished_at", "expire_at"), "")
_COUNTERS: Final = ("attempts", "losses", "releases", "snoozes")


class Tending(StoreBase):
    """The part of the store for people and their tools; jobs with damaged fields are shown as far as possible."""

    def get(self, job_id: JobId) -> Job | None:
        """Return the job with this id, or None. Raises DatabaseError."""
        found = self.collection.find_one(one(job_id))
        return None if found is None else to_shown_job(found)

    def find(
        self,
        *,
        state: State | None = None,
        queue: str | None = None,
        name: str | None = None,
        before: Job | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return jobs, newest first: by when they ended, are due, or were made (those of all states).

        Running ones come in the order of their locks, the freshest first. For the next page pass the last job of
        this one as *before*. A *name* is looked for among all the jobs of the state, so it can be slow for ready ones.
        Raises DatabaseError.
        """
        index, order = _ORDERS[state]
        query: Document = {} if state is None else {"state": state, order[0]: self._anything()}
        if queue is not None:
            query["queue"] = {"$eq": queue}
        if name is not None:
            query["name"] = {"$eq": name}
        if before is not None:
            query = _further(query, order, before)

        def look(hint: str | None) -> list[Document]:
            return list(self.collection.find(query, sort=[(field, -1) for field in order], limit=limit, hint=hint))

        return [to_shown_job(found) for found in self._using(index, look)]

    def cancel(self, job_id: JobId) -> Job:
        """Cancel a ready job and return it. Raises StateError if there is none, or it is not ready."""
        fields = {"state": CANCELLED, "finished_at": self.clock.now()}
        found = self._change(job_id, (READY,), {"$set": fields})
        return found or self._refuse(job_id, "cancel", _CANCEL_REMEDIES)

    def retry(self, job_id: JobId) -> Job:
        """Make a failed or cancelled job ready at once, with all its attempts before it, and return it.

        Its errors and its fence stay. Raises StateError if there is none, or it is in another state.
        """
        fields = {"state": READY, "run_at": self.clock.now(), **dict.fromkeys(_COUNTERS, 0)}
        found = self._change(job_id, (FAILED, CANCELLED), {"$set": fields, "$unset": _UNDONE})
        return found or self._refuse(job_id, "retry", _RETRY_REMEDIES)

    def delete(self, job_id: JobId) -> Job:
        """Delete a job that is not running and return it as it was. Raises StateError if there is none, or it runs."""
        found = self.collection.find_one_and_delete(one(job_id) | {"state": {"$ne": RUNNING}}, hint=self._by_id())
        return to_shown_job(found) if found is not None else self._refuse(job_id, "delete", _DELETE_REMEDIES)

    def clear(self, *, queue: str | None = None, state: State | None = None, older_than: datetime | None = None) -> int:
        """Delete all jobs that match, but never running ones, and return how many.

        The age counts from when a job ended, or from when it was due. Raises DatabaseError, with some deleted.
        """
        deleted = 0
        for query, index in self._clearable(queue, state, older_than):
            while ids := self._some_ids(query, index):
                deleted += self.collection.delete_many(query | {"_id": {"$in": ids}}, hint=self._by_id()).deleted_count
        return deleted

    def count_clear(
        self, *, queue: str | None = None, state: State | None = None, older_than: datetime | None = None
    ) -> int:
        """Return how many jobs ``clear`` would delete. Raises DatabaseError."""
        return sum(self._count(query, index) for query, index in self._clearable(queue, state, older_than))

    def _clearable(
        self, queue: str | None, state: State | None, older_than: datetime | None
    ) -> Iterator[tuple[Document, str]]:
        """Yield the queries for what may be cleared, each with its index; all of them bound its first free key."""
        aged = self._anything() if older_than is None else {"$lt": older_than}
        by_queue = {} if queue is None else {"queue": {"$eq": queue}}
        for one_state in STATES if state is None else (state,):
            if one_state == READY:
                yield {"state": READY, "run_at": aged, **by_queue}, indexes.READY_BY_TIME
            elif one_state != RUNNING:
                yield {"state": one_state, "finished_at": aged, **by_queue}, indexes.ENDED

    def _anything(self) -> Document:
        """Match all there is, damaged or missing, by a bound, without which the server uses no further keys.

        mongomock knows no such bound, and needs none.
        """
        return {"$gte": MinKey()} if self._is_real else {"$exists": True}

    def _change(self, job_id: JobId, states: tuple[str, ...], change: Document) -> Job | None:
        guard = one(job_id) | {"state": {"$in": list(states)}}
        found = self.collection.find_one_and_update(
            guard, change, return_document=ReturnDocument.AFTER, hint=self._by_id()
        )
        return None if found is None else to_shown_job(found)

    def _refuse(self, job_id: JobId, verb: str, remedies: dict[str, str]) -> Job:
        found = self.collection.find_one(one(job_id), {"state": 1})
        if found is None:
            raise StateError(f"no job {job_id}: it never was, or it has completed or been deleted")
        state = str(found.get("state"))
        remedy = remedies.get(state, "look at it with `mongojobs jobs show`")
        raise StateError(f"cannot {verb} the job {job_id}, it is {state}: {remedy}")

    def _some_ids(self, query: Document, index: str) -> list[JobId]:
        def look(hint: str | None) -> list[JobId]:
            found = self.collection.find(query, {"_id": 1}, limit=CLEARED_AT_ONCE, hint=hint)
            return [document["_id"] for document in found]

        return self._using(index, look)

    def _count(self, query: Document, index: str) -> int:
        def count(hint: str | None) -> int:
            options: dict[str, Any] = {} if hint is None else {"hint": hint}
            return self.collection.count_documents(query, **options)

        return self._using(index, count)


_ORDERS: Final[dict[str | None, tuple[str, tuple[str, ...]]]] = {
    None: ("_id_", ("_id",)),
    READY: (indexes.READY_BY_TIME, ("run_at", "_id")),
    RUNNING: (indexes.RUNNING, ("locked_until", "lock_token", "_id")),
    **dict.fromkeys(ENDED, (indexes.ENDED, ("finished_at", "_id"))),
}
_CANCEL_REMEDIES: Final = {
    RUNNING: "it cannot be stopped from outside; wait until it ends",
    COMPLETED: "it is done",
    FAILED: "it will not run again by itself; delete it if it is in the way",
    CANCELLED: "there is nothing to do",
}
_RETRY_REMEDIES: Final = {
    READY: "it will run when it is due",
    RUNNING: "wait until it ends",
    COMPLETED: "enqueue it again if it must run again",
}
_DELETE_REMEDIES: Final = {RUNNING: "wait until it ends, or stop its worker"}


def _further(query: Document, order: tuple[str, ...], last: Job) -> Document:
    """Restrict *query* to what comes after the job *last* in descending *order*.

    The bound on the first field is for the index, the rest sorts out the few that share its value.
    """
    at = {field: last.id if field == "_id" else getattr(last, field) for field in order}
    after = [
        {**{earlier: at[earlier] for earlier in order[:place]}, field: {"$lt": at[field]}}
        for place, field in enumerate(order)
    ]
    first = order[0]
    return query | {first: query.get(first, {}) | {"$lte": at[first]}, "$or": after}
