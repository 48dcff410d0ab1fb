"""How many jobs there are: each count stops at a number beyond which nobody needs it exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from heapq import nlargest
from typing import Final

from mongojobs.core.checks import plain_text
from mongojobs.core.job import READY, Document, Job
from mongojobs.core.job_filter import JobFilter, ShownState
from mongojobs.store import indexes, selections
from mongojobs.store.filters import EPOCH, expired, merged
from mongojobs.store.queries import Queries
from mongojobs.store.reader.edge import PAGE_MILLISECONDS, check_bound
from mongojobs.store.selections import SWEEP_MILLISECONDS, Selection, by_state, of_queue_now

MOST_COUNTED: Final = 10_000
MOST_BATCHES: Final = 1000
ALL: Final = JobFilter()


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs there are; at least that many if it is not *is_exact*."""

    number: int
    is_exact: bool = True

    def __add__(self, other: Count) -> Count:
        return Count(self.number + other.number, self.is_exact and other.is_exact)

    def __str__(self) -> str:
        return f"{self.number:,}" if self.is_exact else f"{self.number:,}+"


def count(queries: Queries, job_filter: JobFilter, *, limit: int | None, depth: float = 1.0) -> Count:
    """Return how many jobs match, up to *limit*; each state is searched to *depth*, a part of how far lists search."""
    if limit is not None:
        check_bound("limit", limit)
    total = Count(0)
    for selection in by_state(queries, job_filter, now=queries.clock.now()):
        rest = None if limit is None else limit - total.number
        total += _count_selection(queries, selection, rest, depth)
        if limit is not None and total.number >= limit:
            break
    return total


def counts(
    queries: Queries, job_filter: JobFilter, *, limit: int, states: Iterable[ShownState]
) -> dict[ShownState, Count]:
    """Return how many jobs that match are in each of *states*; those that the filter does not name get a glance."""
    return {
        state: count(
            queries,
            replace(job_filter, state=state),
            limit=limit,
            depth=1.0 if state == job_filter.state else selections.GLANCE,
        )
        for state in states
    }


def is_searched(queries: Queries, selection: Selection) -> bool:
    """Whether jobs of *selection* are counted by looking through others, in the order of their list."""
    return queries.is_real and selection.looked_at is not None and _queue_alone(selection) is None


def count_late(queries: Queries, max_age: timedelta, *, queues: Sequence[str], limit: int) -> Count:
    """Return how many jobs have been due for more than *max_age* and still wait, up to *limit*."""
    late = {"state": READY, "run_at": {"$gte": EPOCH, "$lt": queries.clock.now() - max_age}}
    among = {"queue": {"$in": list(map(plain_text, queues))}} if queues else {}  # in a list a pattern would be one
    return limited(queries, late | among, indexes.READY_BY_TIME, limit)


def count_stuck(queries: Queries, *, longer_than: timedelta, limit: int) -> int:
    """Return how many jobs ``rescue`` would take back, up to *limit* unless that is 0."""
    query = expired(queries.clock.now() - longer_than)
    return queries.count(query, index=indexes.RUNNING, **({"limit": limit} if limit else {}))


def ahead_of(queries: Queries, job: Job, *, limit: int) -> Count:
    """Return how many due jobs in its queue a worker would take before *job*, up to *limit*."""
    due = of_queue_now(job.queue, due={"$lte": queries.clock.now()})
    more_urgent = {**due, "priority": {"$lt": job.priority}}
    as_urgent = {**due, "priority": {"$eq": job.priority}, "run_at": {"$lt": job.run_at}}
    found = limited(queries, more_urgent, indexes.READY_BY_QUEUE, limit)
    if not found.is_exact:
        return found
    return found + limited(queries, as_urgent, indexes.READY_BY_QUEUE, limit - found.number)


def held_by_worker(queries: Queries, *, limit: int) -> dict[str, int]:
    """Return how many jobs each worker holds, by name, among the *limit* most recently renewed locks.

    A token locks the jobs of one reserve, so that one of them tells who holds all; of more than 1,000 reserves the
    largest count.
    """
    batches = latest_by(queries, "lock_token", JobFilter(state="running"), limit)
    jobs = {batch["example"]: batch["jobs"] for batch in nlargest(MOST_BATCHES, batches, key=_number_of_jobs)}
    held: Counter[str] = Counter()
    examples = {"_id": {"$in": list(jobs)}}
    for found in queries.find(examples, {"locked_by": 1}, index="_id_", limit=MOST_BATCHES):
        held[str(found.get("locked_by"))] += jobs[found["_id"]]
    return held


def latest_by(queries: Queries, field: str, job_filter: JobFilter, limit: int) -> list[Document]:
    """Count the latest *limit* jobs of a state by *field*, with an *example* of each. Raises FilterError."""
    check_bound("limit", limit)
    [selection] = by_state(queries, job_filter, now=queries.clock.now())
    pipeline: list[Document] = [
        {"$match": selection.query},
        {"$sort": {selection.order[0]: -1}},
        {"$limit": limit},
        {"$group": {"_id": f"${field}", "jobs": {"$sum": 1}, "example": {"$first": "$_id"}}},
    ]
    return queries.aggregate(pipeline, index=selection.index, maxTimeMS=PAGE_MILLISECONDS)


def count_in_queue(queries: Queries, queue: str, due: Document, limit: int) -> Count:
    """Return how many ready jobs of *queue* have a ``run_at`` that matches *due*, up to *limit*."""
    return limited(queries, of_queue_now(queue, due=due), indexes.READY_BY_QUEUE, limit)


def limited(queries: Queries, query: Document, index: str, limit: int | None) -> Count:
    """Count what matches *query*, up to *limit*."""
    options = {"maxTimeMS": SWEEP_MILLISECONDS} if limit is None else {"maxTimeMS": PAGE_MILLISECONDS, "limit": limit}
    number = queries.count(query, index=index, **options)
    return Count(number, is_exact=limit is None or number < limit)


def _count_selection(queries: Queries, selection: Selection, limit: int | None, depth: float) -> Count:
    if limit is None:
        return limited(queries, selection.query, selection.index, None)
    queue = _queue_alone(selection)
    if queue is not None:
        return count_in_queue(queries, queue, selection.base["run_at"], limit)
    reach = int((selection.looked_at or 0) * depth) if queries.is_real else 0
    if not reach or limited(queries, selection.base, selection.index, reach + 1).is_exact:
        return limited(queries, selection.query, selection.index, limit)
    return Count(_count_within(queries, selection, reach, limit), is_exact=False)


def _queue_alone(selection: Selection) -> str | None:
    """Return the queue of ready jobs that are chosen by nothing else: an index begins with it."""
    is_alone = selection.base.get("state") == READY and selection.keys.keys() == {"queue"} and not selection.rest
    return selection.keys["queue"]["$eq"] if is_alone else None


def _count_within(queries: Queries, selection: Selection, reach: int, limit: int) -> int:
    """Return how many of the first *reach* jobs match.

    The server takes the first ones in a third of the time in which it would compare each with where the search ends.
    """
    pipeline: list[Document] = [
        {"$match": selection.base},
        {"$sort": dict(selection.sort(selection.direction))},
        {"$limit": reach},
        {"$match": merged(selection.keys, selection.rest)},
        {"$limit": limit},
        {"$count": "jobs"},
    ]
    found = queries.aggregate(pipeline, index=selection.index, maxTimeMS=PAGE_MILLISECONDS)
    return _number_of_jobs(found[0]) if found else 0


def _number_of_jobs(group: Document) -> int:
    return int(group["jobs"])
