"""Looking at jobs: ``find``, ``page``, ``count`` and its kin, ``oldest_due``, ``ahead_of``, ``failures``.

All of them are bounded: a list by its page, a count by a number that nobody needs exactly, all by time. Where they look
for something rare, they look through so many jobs and say that they have not seen them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import nlargest
from typing import Any, Final, overload

from mongojobs.core.checks import plain_text
from mongojobs.core.errors import FilterError
from mongojobs.core.job import ENDED, READY, RUNNING, Document, Job, State
from mongojobs.core.job_filter import SHOWN_STATES, JobFilter, ShownState
from mongojobs.store import indexes
from mongojobs.store.documents import to_shown_job
from mongojobs.store.filters import EPOCH, expired
from mongojobs.store.lifecycle.reserve import ready_queues
from mongojobs.store.pauses import Pause
from mongojobs.store.queries import Queries
from mongojobs.store.reader import selecting
from mongojobs.store.reader.failures import FailureGroup, grouped
from mongojobs.store.reader.selecting import (
    BY_AGE,
    BY_END,
    BY_LOCK,
    BY_TIME,
    SWEEP_MILLISECONDS,
    Position,
    Selection,
    as_listed,
    by_state,
    merged,
    of_queue_now,
    ranges,
    stretches,
    to_position,
    to_text,
    until,
)
from mongojobs.store.reading import aware

PAGE_MILLISECONDS: Final = 5_000
"""How long the server may think about one query of a page."""
MOST_COUNTED: Final = 10_000
LONGEST_PAGE: Final = 1000
MOST_BATCHES: Final = 1000
ALL: Final = JobFilter()


@dataclass(frozen=True, slots=True)
class JobPage(Sequence[Job]):
    """A part of a list, which is a sequence of its jobs, and what to go on after: None at its end.

    It may hold fewer jobs than were asked for, or none, and yet go on: where what is looked for is rare.
    """

    jobs: tuple[Job, ...]
    next: str | None

    def __len__(self) -> int:
        return len(self.jobs)

    @overload
    def __getitem__(self, place: int) -> Job: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Job]: ...
    def __getitem__(self, place: int | slice) -> Job | Sequence[Job]:
        return self.jobs[place]


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs there are; if it is not *is_exact*, there are as many at least."""

    number: int
    is_exact: bool = True

    def __add__(self, other: Count) -> Count:
        return Count(self.number + other.number, self.is_exact and other.is_exact)

    def __str__(self) -> str:
        return f"{self.number:,}" if self.is_exact else f"{self.number:,}+"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """How many jobs a queue holds; *failed* counts among the latest failed jobs of all queues."""

    queue: str
    ready: Count
    scheduled: Count
    running: Count
    failed: Count
    oldest_due: datetime | None
    """Since when the job has been due that has been for the longest time."""

    def of(self, state: ShownState) -> Count:
        """Return how many are in *state*: one of those that are counted for a queue."""
        counted: Count = getattr(self, state)
        return counted


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A queue: what is in it, its *latency*, and its *pause*, if it is paused.

    The latency is how long the job has been due that has waited for the longest time: zero if none is due, and in a
    paused queue.
    """

    queue: str
    counts: QueueCounts
    latency: timedelta
    pause: Pause | None


class JobReader:
    """What is shown to people, however many jobs there are; damaged ones are shown as far as possible."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._clock = queries.clock

    def find(
        self, *, state: State | None = None, queue: str | None = None, name: str | None = None, limit: int = 50
    ) -> list[Job]:
        """Return jobs as they are stored, ready ones whether due or not, newest first; 0 is no limit.

        For those who want no pages and no bounds. Raises DatabaseError.
        """
        index, order = _ORDERS[state]
        query: Document = {} if state is None else {"state": state, order[0]: self._queries.anything}
        query |= {field: {"$eq": value} for field, value in (("queue", queue), ("name", name)) if value is not None}
        found = self._queries.find(query, index=index, sort=[(field, -1) for field in order], limit=limit)
        return [to_shown_job(document) for document in found]

    def page(self, chosen: JobFilter, *, limit: int = 50, after: str | None = None) -> JobPage:
        """Return jobs, newest first: by when they ended, are due, or were made (those of all states).

        Of scheduled ones the soonest come first. Running ones come in the order of their locks, the freshest first. For
        the next page pass the *next* of this one as *after*. Raises FilterError, DatabaseError.
        """
        selection = as_listed(
            chosen, now=self._clock.now(), everything=self._queries.anything, match=self._queries.match_argument
        )
        if type(limit) is not int or not 1 <= limit <= LONGEST_PAGE:
            raise FilterError(f"limit must be between 1 and {LONGEST_PAGE}, got {limit!r:.100}")
        parts = stretches(selection, everything=self._queries.anything)
        start = None if after is None else to_position(after, [len(part.order) for part in parts])
        found: list[tuple[Selection, Document]] = []
        edge: Position | None = None
        for part in parts if start is None else [one for one in parts if len(one.order) <= len(start)]:
            edge = self._edge(part, start)
            found += [(part, document) for document in self._walk(part, start, edge, most=limit + 1 - len(found))]
            if edge is not None or len(found) > limit:
                break
            start = None
        jobs = tuple(to_shown_job(document) for _, document in found[:limit])
        if len(found) > limit:
            part, last = found[limit - 1]
            return JobPage(jobs, to_text(part.position(last)))
        return JobPage(jobs, None if edge is None else to_text(edge))

    def _walk(self, part: Selection, start: Position | None, edge: Position | None, *, most: int) -> list[Document]:
        """Return up to *most* jobs after *start*, none after *edge*."""
        found: list[Document] = []
        for stretch in ranges(part.order, start, direction=part.direction):
            if len(found) < most:
                query = merged(part.query, stretch, _up_to(part, edge))
                options: dict[str, Any] = {"sort": part.sort(part.direction), "limit": most - len(found)}
                found += self._queries.find(query, index=part.index, max_time_ms=PAGE_MILLISECONDS, **options)
        return found

    def count(self, chosen: JobFilter, *, most: int | None = MOST_COUNTED) -> Count:
        """Return how many jobs match, up to *most*; None: all of them, however long that takes. Raises DatabaseError.

        An exact count of more than *most* is not made, nor one of what is rare among very many. Raises FilterError.
        """
        if most is not None:
            _check_bound("most", most)
        return self._count(chosen, most, furthest=None)

    def _count(self, chosen: JobFilter, most: int | None, *, furthest: int | None) -> Count:
        total = Count(0)
        for selection in by_state(
            chosen, now=self._clock.now(), everything=self._queries.anything, match=self._queries.match_argument
        ):
            rest = None if most is None else most - total.number
            total += self._count_some(selection, rest, furthest=furthest)
            if most is not None and total.number >= most:
                break
        return total

    def counts(self, chosen: JobFilter = ALL, *, most: int = MOST_COUNTED) -> dict[ShownState, Count]:
        """Return how many jobs that match are in each state, up to *most*. Raises DatabaseError.

        Of the state that *chosen* names, if it does, it counts as far as ``count``; of the others, where documents must
        be read, only among some thousand.
        """
        _check_bound("most", most)
        return {
            state: self._count(
                replace(chosen, state=state), most, furthest=None if state == chosen.state else selecting.GLANCED_AT
            )
            for state in SHOWN_STATES
        }

    def queue_counts(self, queues: Sequence[str], *, most: int = MOST_COUNTED) -> list[QueueCounts]:
        """Return how many jobs are in each of *queues*, up to *most*. Raises DatabaseError."""
        now = self._clock.now()
        failed = self._latest_by_queue(JobFilter(state="failed"), most)
        running = self._latest_by_queue(JobFilter(state="running"), most)
        return [
            QueueCounts(
                queue=queue,
                ready=self._count_in_queue(queue, {"$lte": now}, most),
                scheduled=self._count_in_queue(queue, {"$gt": now}, most),
                running=_part(running, queue, most),
                failed=_part(failed, queue, most),
                oldest_due=self.oldest_due(queue),
            )
            for queue in queues
        ]

    def count_stuck(self, *, longer_than: timedelta = timedelta(0), most: int = 0) -> int:
        """Return how many jobs ``rescue`` would take back, one batch after the other; up to *most*, if that is not 0.

        With *longer_than*, of those only whose lock ran out so long ago. Raises DatabaseError.
        """
        query = expired(self._clock.now() - longer_than)
        return self._queries.count(query, index=indexes.RUNNING, **({"limit": most} if most else {}))

    def count_late(self, max_age: timedelta, *, queues: Sequence[str] = (), most: int = MOST_COUNTED) -> Count:
        """Return how many jobs have been due for more than *max_age* and still wait, up to *most*.

        The age counts from ``run_at``, so that jobs of the future are never late. Source: delayed_job, ``jobs:check``,
        which counts from when a job was made. Raises DatabaseError.
        """
        query: Document = {"state": READY, "run_at": {"$gte": EPOCH, "$lt": self._clock.now() - max_age}}
        if queues:
            query["queue"] = {"$in": list(map(plain_text, queues))}  # in a list a pattern would be one
        return self._limited(query, indexes.READY_BY_TIME, most)

    def known_queues(self, *, most: int = MOST_COUNTED) -> list[str]:
        """Return the names of queues with ready jobs, and of those of the latest running and failed ones, sorted.

        Raises DatabaseError.
        """
        names = set(ready_queues(self._queries))
        for state in ("running", "failed"):
            names.update(self._latest_by_queue(JobFilter(state=state), most))
        return sorted(names)

    def held_by_worker(self, *, most: int = MOST_COUNTED) -> dict[str, int]:
        """Return how many jobs each worker holds, by its name, among the *most* freshest locks.

        A token locks the jobs of one reserve, so that one of them tells who holds all; of more than 1,000 reserves the
        largest count. Raises DatabaseError.
        """
        batches = self._latest_by("lock_token", JobFilter(state="running"), most)
        jobs = {batch["example"]: batch["jobs"] for batch in nlargest(MOST_BATCHES, batches, key=_number_of_jobs)}
        held: Counter[str] = Counter()
        examples = {"_id": {"$in": list(jobs)}}
        for found in self._queries.find(examples, {"locked_by": 1}, index="_id_", limit=MOST_BATCHES):
            held[str(found.get("locked_by"))] += jobs[found["_id"]]
        return held

    def oldest_due(self, queue: str) -> datetime | None:
        """Return since when the longest waiting job of *queue* has been due; None when none is. Raises DatabaseError.

        It reads one key for each priority that the queue's jobs have, however many they are.
        """
        now = self._clock.now()
        pipeline: list[Document] = [
            {"$match": {"state": READY, "queue": {"$eq": queue}, "run_at": {"$gte": EPOCH}}},
            {"$sort": {"queue": 1, "priority": 1, "run_at": 1}},
            {"$group": {"_id": "$priority", "run_at": {"$first": "$run_at"}}},
        ]
        found = [group["run_at"] for group in self._aggregate(pipeline, indexes.READY_BY_QUEUE)]
        due = [aware(moment) for moment in found if isinstance(moment, datetime) and aware(moment) <= now]
        return min(due, default=None)

    def ahead_of(self, job: Job, *, most: int = MOST_COUNTED) -> Count:
        """Return how many due jobs of its queue a worker would take before *job*, up to *most*.

        Raises DatabaseError.
        """
        due = of_queue_now(job.queue, due={"$lte": self._clock.now()})
        more_urgent = {**due, "priority": {"$lt": job.priority}}
        as_urgent = {**due, "priority": {"$eq": job.priority}, "run_at": {"$lt": job.run_at}}
        count = self._limited(more_urgent, indexes.READY_BY_QUEUE, most)
        if not count.is_exact:
            return count
        return count + self._limited(as_urgent, indexes.READY_BY_QUEUE, most - count.number)

    def failures(self, *, latest: int = 1000, queue: str | None = None) -> list[FailureGroup]:
        """Return the *latest* failed jobs, grouped by name, error and place, the largest group first.

        Raises FilterError, DatabaseError.
        """
        _check_bound("latest", latest)
        [selection] = by_state(
            JobFilter(state="failed", queue=queue), now=self._clock.now(), everything=self._queries.anything
        )
        query = merged(selection.query, _up_to(selection, self._edge(selection, None)))
        options: dict[str, Any] = {"sort": selection.sort(-1), "limit": latest, "max_time_ms": PAGE_MILLISECONDS}
        fields = dict.fromkeys(("name", "finished_at", "last_error"), 1)
        jobs = self._queries.collection
        return self._queries.hinted(
            selection.index, lambda hint: grouped(jobs.find(query, fields, hint=hint, **options))
        )

    def _edge(self, selection: Selection, start: Position | None, *, furthest: int | None = None) -> Position | None:
        """Return where a search that finds little gives up, to be gone on with later; None if it sees all.

        Where it reads documents, it gives up after *furthest* of them at the latest.
        """
        most = selection.looked_at
        if most is not None and furthest is not None and selection.rest:
            most = min(most, furthest)
        if most is None or not self._queries.is_real:
            return None
        fields = {"_id": 0, **dict.fromkeys(selection.order, 1)}
        options: dict[str, Any] = {"sort": selection.sort(selection.direction), "skip": most, "limit": 1}
        for part in ranges(selection.order, start, direction=selection.direction):
            query = merged(selection.base, part)
            found = self._queries.find(query, fields, index=selection.index, max_time_ms=PAGE_MILLISECONDS, **options)
            if found:
                return selection.position(found[0])
        return None

    def _count_some(self, selection: Selection, most: int | None, *, furthest: int | None) -> Count:
        if most is None:
            return self._limited(selection.query, selection.index, None)
        if selection.base["state"] == READY and selection.keys and not selection.rest:
            return self._count_in_queue(selection.keys["queue"]["$eq"], selection.base["run_at"], most)
        edge = self._edge(selection, None, furthest=furthest)
        found = self._limited(merged(selection.query, _up_to(selection, edge)), selection.index, most)
        return found if edge is None else Count(found.number, is_exact=False)

    def _count_in_queue(self, queue: str, due: Document, most: int) -> Count:
        return self._limited(of_queue_now(queue, due=due), indexes.READY_BY_QUEUE, most)

    def _limited(self, query: Document, index: str, most: int | None) -> Count:
        """Count what matches *query*, up to *most*."""
        options = {"maxTimeMS": SWEEP_MILLISECONDS} if most is None else {"maxTimeMS": PAGE_MILLISECONDS, "limit": most}
        number = self._queries.count(query, index=index, **options)
        return Count(number, is_exact=most is None or number < most)

    def _latest_by_queue(self, chosen: JobFilter, most: int) -> dict[str, int]:
        return {str(found["_id"]): found["jobs"] for found in self._latest_by("queue", chosen, most)}

    def _latest_by(self, field: str, chosen: JobFilter, most: int) -> list[Document]:
        """Count the latest *most* jobs of a state by a *field*, with an *example* of each. Raises FilterError."""
        _check_bound("most", most)
        [selection] = by_state(
            chosen, now=self._clock.now(), everything=self._queries.anything, match=self._queries.match_argument
        )
        pipeline: list[Document] = [
            {"$match": selection.query},
            {"$sort": {selection.order[0]: -1}},
            {"$limit": most},
            {"$group": {"_id": f"${field}", "jobs": {"$sum": 1}, "example": {"$first": "$_id"}}},
        ]
        return self._aggregate(pipeline, selection.index)

    def _aggregate(self, pipeline: list[Document], index: str) -> list[Document]:
        return self._queries.aggregate(pipeline, index=index, maxTimeMS=PAGE_MILLISECONDS)


def _number_of_jobs(group: Document) -> int:
    return int(group["jobs"])


def _check_bound(name: str, bound: object) -> None:
    if type(bound) is not int or bound < 1:
        raise FilterError(f"{name} must be a whole number of at least 1, got {bound!r:.100}")


def _up_to(selection: Selection, edge: Position | None) -> Document:
    return {} if edge is None else until(selection.order, edge, direction=selection.direction)


def _part(by_queue: dict[str, int], queue: str, most: int) -> Count:
    return Count(by_queue.get(queue, 0), is_exact=sum(by_queue.values()) < most)


_ORDERS: Final[dict[str | None, tuple[str, tuple[str, ...]]]] = {
    None: ("_id_", BY_AGE),
    READY: (indexes.READY_BY_TIME, BY_TIME),
    RUNNING: (indexes.RUNNING, BY_LOCK),
    **dict.fromkeys(ENDED, (indexes.ENDED, BY_END)),
}
