"""Lists of jobs: a page at a time, or all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, overload

from mongojobs.core.errors import FilterError
from mongojobs.core.job import ENDED, READY, RUNNING, Document, Job, State
from mongojobs.core.job_filter import JobFilter
from mongojobs.store import indexes
from mongojobs.store.documents import to_shown_job
from mongojobs.store.filters import merged
from mongojobs.store.positions import Position, ranges, to_position, to_text
from mongojobs.store.queries import Queries
from mongojobs.store.reader.counts import Count, count, is_searched
from mongojobs.store.reader.edge import PAGE_MILLISECONDS, Seen, edge_of, up_to
from mongojobs.store.selections import (
    BY_AGE,
    BY_END,
    BY_LOCK,
    BY_TIME,
    Selection,
    as_listed,
    stretches,
)

LONGEST_PAGE: Final = 1000

Found = tuple[Selection, Document]
"""A job as stored, and the part of the list that it belongs to."""

_ORDERS: Final[dict[str | None, tuple[str, tuple[str, ...]]]] = {
    None: ("_id_", BY_AGE),
    READY: (indexes.READY_BY_TIME, BY_TIME),
    RUNNING: (indexes.RUNNING, BY_LOCK),
    **dict.fromkeys(ENDED, (indexes.ENDED, BY_END)),
}


@dataclass(frozen=True, slots=True)
class JobPage(Sequence[Job]):
    """A page of a list, as a sequence of jobs, and the position to continue after: None at the end.

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


def find(queries: Queries, *, state: State | None, limit: int) -> list[Job]:
    """Return jobs as stored, newest first; 0 is no limit."""
    index, order = _ORDERS[state]
    query: Document = {} if state is None else {"state": state, order[0]: queries.anything}
    found = queries.find(query, index=index, sort=[(field, -1) for field in order], limit=limit)
    return [to_shown_job(document) for document in found]


def page(queries: Queries, job_filter: JobFilter, *, limit: int, after: str | None) -> JobPage:
    """Return the page of *limit* jobs that comes *after* a position."""
    selection = as_listed(queries, job_filter)
    if type(limit) is not int or not 1 <= limit <= LONGEST_PAGE:
        raise FilterError(f"limit must be between 1 and {LONGEST_PAGE}, got {limit!r:.100}")
    parts = stretches(selection, everything=queries.anything)
    start = None if after is None else to_position(after, [len(part.order) for part in parts])
    found: list[Found] = []
    edge: Position | None = None
    for part in parts if start is None else [one for one in parts if len(one.order) <= len(start)]:
        edge = edge_of(queries, part, start=start)
        found += _walk(queries, part, start, edge, limit=limit + 1 - len(found))
        if edge is not None or len(found) > limit:
            break
        start = None
    return _to_page(found, edge, limit)


def first_page(queries: Queries, job_filter: JobFilter, *, limit: int, most: int) -> tuple[JobPage, Count]:
    """Return the first page of a state's jobs, and how many match, up to *most*; one search tells both where it can."""
    selection = as_listed(queries, job_filter)
    if not is_searched(queries, selection):
        return page(queries, job_filter, limit=limit, after=None), count(queries, job_filter, limit=most)
    found: list[Found] = []
    number, edge = 0, None
    for part in stretches(selection, everything=queries.anything):
        edge = edge_of(queries, part)
        seen = up_to(queries, part, edge, limit=limit + 1)
        found += _these(queries, part, seen, limit=limit + 1)
        number += seen.number
        if edge is not None:
            break
    return _to_page(found, edge, limit), Count(min(number, most), is_exact=edge is None and number < most)


def _to_page(found: Sequence[Found], edge: Position | None, limit: int) -> JobPage:
    jobs = tuple(to_shown_job(document) for _, document in found[:limit])
    if len(found) > limit:
        part, last = found[limit - 1]
        return JobPage(jobs, to_text(part.position(last)))
    return JobPage(jobs, None if edge is None else to_text(edge))


def _walk(
    queries: Queries, part: Selection, start: Position | None, edge: Position | None, *, limit: int
) -> list[Found]:
    """Return up to *limit* jobs after *start* and no further than *edge*."""
    found: list[Found] = []
    for stretch in ranges(part.order, start, direction=part.direction):
        rest = limit - len(found)
        if rest > 0 and edge is not None:
            found += _these(queries, part, up_to(queries, part, edge, limit=rest, within=stretch), limit=rest)
        elif rest > 0:
            found += _found(queries, part, stretch, index=part.index, limit=rest)
    return found


def _these(queries: Queries, part: Selection, seen: Seen, *, limit: int) -> list[Found]:
    return _found(queries, part, seen.first, index="_id_", limit=limit) if seen.number else []


def _found(queries: Queries, part: Selection, among: Document, *, index: str, limit: int) -> list[Found]:
    options: dict[str, Any] = {"sort": part.sort(part.direction), "limit": limit}
    query = merged(part.query, among)
    found = queries.find(query, index=index, max_time_ms=PAGE_MILLISECONDS, **options)
    return [(part, document) for document in found]
