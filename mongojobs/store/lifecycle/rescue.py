"""Rescuing: ``rescue``, for jobs whose worker is gone, and ``quarantine``, for documents that no query would find."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from mongojobs.core import transitions
from mongojobs.core.change import Change
from mongojobs.core.clock import Clock
from mongojobs.core.job import CANCELLED, ENDED, FAILED, READY, RUNNING, Document, Job, JobId
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.settings import Settings
from mongojobs.store import filters, indexes
from mongojobs.store.clients import Jobs
from mongojobs.store.documents import Update, damage, to_shown_job, to_update
from mongojobs.store.faults import DatabaseError, describe, is_about_document
from mongojobs.store.queries import Quarantined, Queries
from mongojobs.store.unique.again import hands_back, rescue_again

NO_DATE: Final = {"$not": {"$gte": datetime.min.replace(tzinfo=UTC)}}
"""Matches null, a missing field and every type but dates; as two short ranges of an index, unlike ``$type``."""
NO_TEXT: Final = {"$not": {"$gte": ""}}


@dataclass(frozen=True, slots=True)
class Rescued:
    """A job taken back from a worker whose lease expired; *failed* if that was one loss too many.

    One that somebody had *cancelled* has ended.
    """

    job_id: JobId
    name: str
    locked_by: str
    losses: int
    failed: bool
    cancelled: bool = False

    @classmethod
    def of(cls, job: Job, change: Change) -> Rescued:
        """Return what the rescuing *change* made of *job*."""
        state = change.sets["state"]
        return cls(
            job.id, job.name, str(job.locked_by), change.sets["losses"], state == FAILED, cancelled=state == CANCELLED
        )


class Rescuing:
    """The part of the store with which any worker takes care of jobs that nobody looks after."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self.collection: Jobs = queries.collection
        self.clock: Clock = queries.clock
        self.settings: Settings = queries.settings

    def rescue(self, *, by: str, limit: int = 50) -> list[Rescued]:
        """Take back up to *limit* jobs whose lease has expired, each with one more loss."""
        now = self.clock.now()
        fields = (
            "name",
            "lock_token",
            "locked_until",
            "locked_by",
            "fence",
            "advanced",
            "losses",
            "attempts",
            "errors",
            "unique_key",
            "cancellation",
        )
        query = filters.expired(now)
        expired = self._queries.find(query, dict.fromkeys(fields, 1), index=indexes.RUNNING, limit=limit)
        return list(filter(None, map(partial(self._take_back_if_possible, by=by, now=now), expired)))

    def quarantine(self, *, limit: int = 50) -> list[Quarantined]:
        """Set aside up to *limit* ready or running jobs whose damage keeps any other query from finding them."""
        query = {"$or": _hidden(self.clock.now())}
        aside: list[Quarantined] = []
        for document in self.collection.find(query, {"handler": 0}, limit=limit):
            reason = f"damaged: {damage({'handler': {}} | document) or _missing_lock(document)}"
            change = as_damaged(document, reason, now=self.clock.now())
            guard = query | {"_id": {"$eq": document["_id"]}}
            if self.collection.update_one(guard, change, hint=self._queries.by_id).matched_count:
                aside.append(Quarantined(document["_id"], reason))
        return aside

    def _take_back_if_possible(self, document: Document, *, by: str, now: datetime) -> Rescued | None:
        """Do as ``_take_back``, but leave a job that has no room for a loss: others must not wait for it."""
        try:
            return self._take_back(document, by=by, now=now)
        except DatabaseError as error:
            if not is_about_document(error):
                raise
            self._queries.on_warning(f"cannot take back the job {document['_id']!r:.100}: {describe(error)}")
            return None

    def _take_back(self, document: Document, *, by: str, now: datetime) -> Rescued | None:
        """Take back one job, unless it has been renewed, ended or taken back by another worker since."""
        job = to_shown_job({"locked_by": "(unknown)"} | document)
        change = transitions.rescued(job, by=by, now=now, settings=self.settings)
        guard = filters.expired_as_seen(document, now=now)
        if hands_back(change):
            guard |= filters.NOT_CANCELLED
        if job.unique_key is not None and change.sets["state"] in ENDED:
            done = rescue_again(self._queries, guard, change)
            return None if done is None else Rescued.of(job, done)
        if not self.collection.update_one(guard, to_update(change), hint=self._queries.by_id).matched_count:
            return None
        return Rescued.of(job, change)


def as_damaged(document: Document, reason: str, *, now: datetime) -> Update:
    """Return the update that sets *document* aside as failed; it works on a document damaged in any way."""
    return to_update(transitions.quarantined(to_shown_job(document), reason=reason, now=now))


def _hidden(now: datetime) -> list[Document]:
    """Return queries for all damage that hides a job; for each, the server reads a few keys of another index.

    ``reserve`` sees only dates, numbers within 32 bits and, for workers with a list of queues, texts; ``rescue`` only
    dates and tokens.
    """
    return [
        {"state": READY, "run_at": NO_DATE},
        {"state": READY, "priority": {"$not": {"$gte": LOWEST_PRIORITY}}},
        {"state": READY, "priority": {"$gt": HIGHEST_PRIORITY}},
        {"state": READY, "queue": NO_TEXT},
        {"state": RUNNING, "locked_until": NO_DATE},
        {"state": RUNNING, "locked_until": {"$lte": now}, "lock_token": NO_TEXT},
    ]


def _missing_lock(document: Document) -> str:
    """Return what is wrong with the lock of a running job that has no other fault."""
    field = "locked_until" if document.get("locked_until") is None else "lock_token"
    return f"{field} is {'null' if field in document else 'missing'}"
