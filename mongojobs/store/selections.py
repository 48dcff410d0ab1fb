"""From a filter given by people to queries: one per stored state, each with the index that serves it.

A query has two parts. What *keys* ask for, the server answers from the index; for *rest* it must read the documents, so
whoever asks for it says how many at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from mongojobs.core.job import ENDED, READY, RUNNING, Document
from mongojobs.core.job_filter import JobFilter, ShownState
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.words.ticks import ticks_of
from mongojobs.store import indexes
from mongojobs.store.filters import EPOCH, merged
from mongojobs.store.positions import EARLIEST, Position
from mongojobs.store.queries import Queries

BY_AGE: Final = ("_id",)
BY_TIME: Final = ("run_at", "_id")
BY_LOCK: Final = ("locked_until", "lock_token", "_id")
BY_END: Final = ("finished_at", "_id")

KEYS_LOOKED_AT: Final = 20_000
DOCUMENTS_LOOKED_AT: Final = 10_000
"""How far a list or a bounded count searches for rare jobs: each takes about a tenth of a second."""
GLANCE: Final = 0.25
"""How much of that the count of one state searches when all states are counted together."""

SWEEP_MILLISECONDS: Final = 60_000
"""How long the server may take for one query that must see everything."""

_CLOCKS_APART: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Jobs of one stored state, or of all, in the *order* of the *index*."""

    index: str
    order: tuple[str, ...]
    base: Document
    """The state, and the bounds on the first field of the order: where the index is entered."""
    keys: Document
    """What else is checked in the index keys."""
    rest: Document
    """What is checked in the documents themselves."""
    direction: int = -1
    """Which way a list walks through the order: ascending (1) or descending (-1)."""

    @property
    def query(self) -> Document:
        """Match all of it."""
        return merged(self.base, self.keys, self.rest)

    @property
    def looked_at(self) -> int | None:
        """How many keys a bounded search may examine in vain; None if each of them is a match."""
        if self.rest:
            return DOCUMENTS_LOOKED_AT
        return KEYS_LOOKED_AT if self.keys else None

    def sort(self, direction: int) -> list[tuple[str, int]]:
        """Return the order, ascending (1) or descending (-1)."""
        return [(field, direction) for field in self.order]

    def position(self, document: Document) -> Position:
        """Return the position of *document* in the order."""
        return tuple(document.get(field) for field in self.order)


def as_listed(queries: Queries, job_filter: JobFilter) -> Selection:
    """Return the jobs that a list shows, of all states if none is named."""
    if not job_filter.states:
        return Selection(index="_id_", order=BY_AGE, base={"_id": {"$in": []}}, keys={}, rest={})
    if job_filter.state is None:
        rest = merged(
            _ended_between(job_filter),
            {"state": READY} if job_filter.retrying else {},
            _eq("queue", job_filter.queue),
            _eq("priority", job_filter.priority),
            _of_name(job_filter),
            _of_documents(queries, job_filter),
        )
        return Selection(index="_id_", order=BY_AGE, base=_of_schedule(job_filter), keys={}, rest=rest)
    return _of_state(queries, job_filter, job_filter.state, now=queries.clock.now())


def by_state(queries: Queries, job_filter: JobFilter, *, now: datetime) -> Iterator[Selection]:
    """Yield the jobs of each state that is meant; a job falling due *now* is in exactly one of them."""
    for state in job_filter.states:
        yield _of_state(queries, job_filter, state, now=now)


def _of_state(queries: Queries, job_filter: JobFilter, state: ShownState, *, now: datetime) -> Selection:
    by_queue, by_priority = _eq("queue", job_filter.queue), _eq("priority", job_filter.priority)
    by_id = _of_schedule(job_filter)
    by_name, rest = _of_name(job_filter), _of_documents(queries, job_filter)
    match state:
        case "ready" | "scheduled":
            due: Document = {"$lte": now} if state == "ready" else {"$gt": now}
            direction = -1 if state == "ready" else 1
            base: Document = {"state": READY, "run_at": due}
            index, keys = indexes.READY_BY_TIME, merged(by_id, by_queue)
            if by_priority:  # of one priority, the indexes of the reserve are in the order of time too
                index = indexes.READY_BY_QUEUE if by_queue else indexes.READY
                base, keys = {**base, **by_queue, **by_priority}, by_id
            rest = merged(by_name, rest)
            return Selection(index=index, order=BY_TIME, base=base, keys=keys, rest=rest, direction=direction)
        case "running":
            base = {"state": RUNNING, "locked_until": {"$gte": EPOCH}}
            rest = merged(by_name, by_priority, rest)
            keys = merged(by_id, by_queue)
            return Selection(index=indexes.RUNNING, order=BY_LOCK, base=base, keys=keys, rest=rest)
        case "failed" | "cancelled" | "completed":
            # What ended before a moment was made before it; so the index helps with an age that it does not hold.
            ended = queries.anything if job_filter.since is None else {"$gte": job_filter.since - _CLOCKS_APART}
            base = {"state": state, "finished_at": ended} | _ended_between(job_filter)
            keys, rest = merged(by_id, by_queue, by_name), merged(by_priority, rest)
            return Selection(index=indexes.ENDED, order=BY_END, base=base, keys=keys, rest=rest)
        case _:
            assert_never(state)


def of_queue_now(queue: str, *, due: Document) -> Document:
    """Match the ready jobs of *queue* whose ``run_at`` matches *due*, with the index that begins with the queue."""
    every = {"$gte": LOWEST_PRIORITY, "$lte": HIGHEST_PRIORITY}
    return {"state": READY, "queue": {"$eq": queue}, "priority": every, "run_at": due}


def not_after(selection: Selection, moment: datetime) -> Document:
    """Match the jobs already in *selection* at *moment*, so that a walk does not meet jobs that arrive meanwhile."""
    if selection.base.get("state") in ENDED:
        return {"finished_at": {"$not": {"$gt": moment}}}
    return {"created_at": {"$not": {"$gt": moment}}}


def stretches(selection: Selection, *, everything: Document) -> list[Selection]:
    """Return *selection* in parts that can be walked: jobs with a time there, and those damaged there, by id."""
    field = selection.order[0]
    if selection.base.get(field) != everything:
        return [selection]
    timed = {**selection.base, field: {"$gte": EARLIEST}}
    untimed = {**selection.base, field: {"$not": {"$gte": EARLIEST}}}
    return [replace(selection, base=timed), replace(selection, base=untimed, order=BY_AGE)]


def _of_documents(queries: Queries, job_filter: JobFilter) -> Document:
    made: Document = {}
    if job_filter.since is not None:
        made["$gte"] = job_filter.since
    if job_filter.until is not None:
        made["$lt"] = job_filter.until
    error = {} if job_filter.error is None else {"last_error": _containing(job_filter.error)}
    arguments = [
        queries.match_argument(place, value, as_shown=job_filter.as_shown) for place, value in job_filter.pairs
    ]
    return merged(
        {"created_at": made} if made else {},
        _eq("tags", job_filter.tag),
        {} if job_filter.worker is None else {"$or": [_eq(field, job_filter.worker) for field in _WORKERS]},
        {"attempts": {"$gt": 0}} if job_filter.retrying else {},
        error,
        {} if job_filter.key is None else {"$or": [_eq(field, job_filter.key) for field in _KEYS]},
        {"$and": arguments} if arguments else {},
    )


def _ended_between(job_filter: JobFilter) -> Document:
    bounds = {"$gte": job_filter.ended_since, "$lt": job_filter.ended_until}
    given = {operator: moment for operator, moment in bounds.items() if moment is not None}
    return {"finished_at": given} if given else {}


_WORKERS: Final = ("locked_by", "errors.worker", "ran_by")
"""Where a job records who is running it, and who ran it."""


_KEYS: Final = ("unique_text", "unique_digest")
"""By what people know a unique key."""


def _of_schedule(job_filter: JobFilter) -> Document:
    return {} if job_filter.schedule is None else {"_id": ticks_of(job_filter.schedule)}


def _of_name(job_filter: JobFilter) -> Document:
    return merged(_eq("name", job_filter.name), *({"name": _containing(word)} for word in job_filter.words))


def _containing(text: str) -> Document:
    """Match texts that contain *text* literally, ignoring case."""
    return {"$regex": re.escape(text), "$options": "i"}


def _eq(field: str, value: str | int | None) -> Document:
    return {} if value is None else {field: {"$eq": value}}
