"""The queues: their names, how many jobs each holds, and how long the first has waited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from mongojobs.core.job import READY, RUNNING, Document
from mongojobs.core.job_filter import JobFilter, ShownState
from mongojobs.store import indexes
from mongojobs.store.filters import EPOCH
from mongojobs.store.lifecycle.reserve import ready_queues
from mongojobs.store.pauses import Pause
from mongojobs.store.queries import Queries
from mongojobs.store.reader.counts import MOST_COUNTED, Count, count_in_queue, latest_by
from mongojobs.store.reader.edge import PAGE_MILLISECONDS, check_bound
from mongojobs.store.reading import aware

QueueState = Literal["ready", "scheduled", "running", "cancelling", "failed"]
"""The states that are counted in each queue; a *cancelling* job runs, and was asked to end."""
MOST_LOOKED_AT: Final = 1000
"""How many running jobs are searched for those that were asked to end, which no index knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """How many jobs a queue holds; *failed* counts only among the latest failed jobs of all queues."""

    queue: str
    ready: Count
    scheduled: Count
    running: Count
    cancelling: Count = Count(0)
    failed: Count
    oldest_due: datetime | None
    """Since when the longest-waiting due job has been due."""

    def apart(self, cancelling: Count) -> QueueCounts:
        """Return the counts with so many of the running jobs as *cancelling*: they were asked to end."""
        running = replace(self.running, number=max(self.running.number - cancelling.number, 0))
        return replace(self, running=running, cancelling=cancelling)

    def of(self, state: QueueState) -> Count:
        """Return how many jobs are in *state*, one of those counted per queue."""
        counted: Count = getattr(self, state)
        return counted


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A queue: its jobs, its *latency*, and its *pause*, if it is paused.

    The latency is how long the job has been due that has waited for the longest time: zero if none is due, and in a
    paused queue.
    """

    queue: str
    counts: QueueCounts
    latency: timedelta
    pause: Pause | None


def queue_counts(queries: Queries, also: Iterable[str], *, limit: int) -> list[QueueCounts]:
    """Return how many jobs are in each of the known queues, and *also* in these, up to *limit*.

    One look at the running and one at the failed jobs tell both which queues there are and what is in them.
    """
    check_bound("limit", limit)
    now, looked_at = queries.clock.now(), max(limit, MOST_COUNTED)
    failed = _latest_by_queue(queries, "failed", looked_at)
    running = _latest_by_queue(queries, "running", looked_at)
    return [
        QueueCounts(
            queue=queue,
            ready=count_in_queue(queries, queue, {"$lte": now}, limit),
            scheduled=count_in_queue(queries, queue, {"$gt": now}, limit),
            running=_part(running, queue, limit, looked_at),
            failed=_part(failed, queue, limit, looked_at),
            oldest_due=oldest_due(queries, queue),
        )
        for queue in sorted({*ready_queues(queries), *running, *failed, *also})
    ]


def known_queues(queries: Queries, *, limit: int) -> list[str]:
    """Return the names of queues with ready jobs, and those of the *limit* latest running and failed jobs."""
    latest = [_latest_by_queue(queries, state, limit) for state in ("running", "failed")]
    return sorted({*ready_queues(queries)}.union(*latest))


def oldest_due(queries: Queries, queue: str) -> datetime | None:
    """Return since when the longest-waiting job of *queue* has been due; None if none is due.

    It reads one key for each priority that the queue's jobs have, however many they are.
    """
    now = queries.clock.now()
    pipeline: list[Document] = [
        {"$match": {"state": READY, "queue": {"$eq": queue}, "run_at": {"$gte": EPOCH}}},
        {"$sort": {"queue": 1, "priority": 1, "run_at": 1}},
        {"$group": {"_id": "$priority", "run_at": {"$first": "$run_at"}}},
    ]
    found = queries.aggregate(pipeline, index=indexes.READY_BY_QUEUE, maxTimeMS=PAGE_MILLISECONDS)
    moments = [group["run_at"] for group in found]
    due = [aware(moment) for moment in moments if isinstance(moment, datetime) and aware(moment) <= now]
    return min(due, default=None)


def cancelling_by_queue(queries: Queries) -> Counter[str]:
    """Return how many of the 1,000 running jobs with the freshest locks were asked to end, by queue."""
    pipeline: list[Document] = [
        {"$match": {"state": RUNNING, "locked_until": {"$gte": EPOCH}}},
        {"$sort": {"locked_until": -1}},
        {"$limit": MOST_LOOKED_AT},
        {"$match": {"cancellation": {"$ne": None}}},
        {"$group": {"_id": "$queue", "jobs": {"$sum": 1}}},
    ]
    found = queries.aggregate(pipeline, index=indexes.RUNNING, maxTimeMS=PAGE_MILLISECONDS)
    return Counter({str(group["_id"]): group["jobs"] for group in found})


def _latest_by_queue(queries: Queries, state: ShownState, limit: int) -> dict[str, int]:
    return {str(found["_id"]): found["jobs"] for found in latest_by(queries, "queue", JobFilter(state=state), limit)}


def _part(by_queue: dict[str, int], queue: str, limit: int, looked_at: int) -> Count:
    number = by_queue.get(queue, 0)
    return Count(min(number, limit), is_exact=number < limit and sum(by_queue.values()) < looked_at)
