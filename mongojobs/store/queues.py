"""What the queues look like: the numbers behind ``status`` and ``check``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mongojobs.core.job import ENDED, FAILED, READY, RUNNING, STATES, Document
from mongojobs.core.settings import plain_text
from mongojobs.store import indexes
from mongojobs.store.base import StoreBase
from mongojobs.store.documents import aware
from mongojobs.store.filters import EPOCH

NO_WAIT: Final = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReport:
    """One queue: how many jobs are ready and due, scheduled for later, running and failed.

    *latency* is how long the oldest job that is due has been waiting; zero when there is none.
    """

    queue: str
    ready: int
    scheduled: int
    running: int
    failed: int
    latency: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All queues that have jobs, by name; how many jobs are in each state, due or not; the time it was made."""

    queues: tuple[QueueReport, ...]
    totals: dict[str, int]
    at: datetime

    @property
    def latency(self) -> timedelta:
        """The longest latency of all queues."""
        return max((queue.latency for queue in self.queues), default=NO_WAIT)


class Counting(StoreBase):
    """The part of the store that counts; it reads indexes only, but all of the keys of the jobs that it counts."""

    def report(self) -> Report:
        """Return the state of all queues. Raises DatabaseError."""
        now = self.clock.now()
        ready = self._by_queue({"state": READY, "run_at": {"$gte": EPOCH}}, indexes.READY_BY_TIME, _due(now))
        running = self._by_queue({"state": RUNNING, "locked_until": {"$gte": EPOCH}}, indexes.RUNNING)
        ended = {state: self._by_queue({"state": state}, indexes.ENDED) for state in ENDED}
        names = sorted({name for counted in (ready, running, ended[FAILED]) for name in counted})
        totals = {READY: ready, RUNNING: running, **ended}
        return Report(
            queues=tuple(
                _queue_report(
                    name, now=now, waiting=ready.get(name), running=running.get(name), failed=ended[FAILED].get(name)
                )
                for name in names
            ),
            totals={state: sum(of_queue["jobs"] for of_queue in totals[state].values()) for state in STATES},
            at=now,
        )

    def count_late(self, max_age: timedelta, *, queues: Sequence[str] = ()) -> int:
        """Return how many jobs have been due for more than *max_age* and are still waiting. Raises DatabaseError.

        The age counts from ``run_at``, so that jobs of the future are never late. Source: delayed_job, ``jobs:check``,
        which counts from when a job was made.
        """
        query: Document = {"state": READY, "run_at": {"$gte": EPOCH, "$lt": self.clock.now() - max_age}}
        if queues:
            query["queue"] = {"$in": list(map(plain_text, queues))}  # in a list a pattern would be one
        return sum(of_queue["jobs"] for of_queue in self._by_queue(query, indexes.READY_BY_TIME).values())

    def count_queued(self, queue: str, *, limit: int) -> int:
        """Return how many jobs of *queue* are ready, those of the future too; at most *limit*. Raises DatabaseError."""
        query: Document = {"state": READY, "queue": {"$eq": queue}}

        def count(hint: str | None) -> int:
            options: dict[str, Any] = {} if hint is None else {"hint": hint}
            return self.collection.count_documents(query, limit=limit, **options)

        return self._using(indexes.READY_BY_QUEUE, count)

    def _by_queue(self, query: Document, index: str, sums: Document | None = None) -> dict[str, Document]:
        """Count the jobs that match *query*, and whatever else *sums* says, for each queue."""
        group: Document = {"_id": "$queue", "jobs": {"$sum": 1}, **(sums or {})}
        pipeline = [{"$match": query}, {"$group": group}]

        def count(hint: str | None) -> list[Document]:
            options: dict[str, Any] = {} if hint is None else {"hint": hint}
            return list(self.collection.aggregate(pipeline, **options))

        return {str(found["_id"]): found for found in self._using(index, count)}


def _due(now: datetime) -> Document:
    """Return the sums that tell ready jobs which are due from scheduled ones."""
    return {"due": {"$sum": {"$cond": [{"$lte": ["$run_at", now]}, 1, 0]}}, "oldest": {"$min": "$run_at"}}


def _queue_report(
    name: str, *, now: datetime, waiting: Document | None, running: Document | None, failed: Document | None
) -> QueueReport:
    due = waiting["due"] if waiting else 0
    return QueueReport(
        queue=name,
        ready=due,
        scheduled=waiting["jobs"] - due if waiting else 0,
        running=running["jobs"] if running else 0,
        failed=failed["jobs"] if failed else 0,
        latency=now - aware(waiting["oldest"]) if waiting and due else NO_WAIT,
    )
