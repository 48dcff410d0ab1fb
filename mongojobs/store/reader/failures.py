"""Failed jobs in groups: those that failed in the same way in the same place."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mongojobs.core.job import Document, JobId
from mongojobs.core.job_filter import JobFilter
from mongojobs.store.filters import EPOCH, merged
from mongojobs.store.queries import Queries
from mongojobs.store.reader.edge import PAGE_MILLISECONDS, check_bound, edge_of, up_to
from mongojobs.store.reading import aware
from mongojobs.store.selections import by_state

LOST_WORKERS: Final = "lost workers"
INTERRUPTED: Final = "interrupted runs"
DAMAGED: Final = "damaged"
OTHER: Final = "(other)"
"""The exception name shown for a job that was given up on without one."""

_EXCEPTION: Final = re.compile(r"([A-Za-z_]\w*)(?:: |$)")
_PLACE: Final = re.compile(r'^\s*File "([^"\n]{1,500})", line (\d+), in (\S{1,200})', re.MULTILINE)
_REASONS: Final = (
    (re.compile(r"given up: \d+ workers? (?:was|were) lost|the worker .* was lost"), LOST_WORKERS),
    (re.compile(r"given up: its worker was stopped"), INTERRUPTED),
    (re.compile(r"damaged: "), DAMAGED),
)
_LONGEST_MESSAGE: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Failed jobs of one *name* that failed with the same *error* at the same *place*, ``file:line in function``.

    *message* and *last_id* are those of the one that failed last.
    """

    name: str
    error: str
    place: str
    count: int
    first_seen: datetime
    last_seen: datetime
    message: str
    last_id: JobId


def failures(queries: Queries, *, latest: int, queue: str | None) -> list[FailureGroup]:
    """Return the *latest* failed jobs in groups; holds in memory only what groups are made of."""
    check_bound("latest", latest)
    [selection] = by_state(queries, JobFilter(state="failed", queue=queue), now=queries.clock.now())
    fields: Document = dict.fromkeys(("name", "finished_at", "last_error"), 1)
    edge = edge_of(queries, selection)
    among = {} if edge is None else up_to(queries, selection, edge, limit=latest).first
    query, index = merged(selection.query, among), selection.index if edge is None else "_id_"
    options: dict[str, Any] = {"sort": selection.sort(-1), "limit": latest, "max_time_ms": PAGE_MILLISECONDS}
    jobs = queries.collection
    return queries.hinted(index, lambda hint: grouped(jobs.find(query, fields, hint=hint, **options)))


def grouped(documents: Iterable[Document]) -> list[FailureGroup]:
    """Return groups of the failed jobs, given latest first; the largest group comes first."""
    seen: defaultdict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    latest: dict[tuple[str, str, str], tuple[str, JobId]] = {}
    for document in documents:
        text, ended = document.get("last_error"), document.get("finished_at")
        text = text if isinstance(text, str) else ""
        first_line = text.partition("\n")[0]
        key = str(document.get("name", "")), _error(first_line), _place(text)
        seen[key].append(aware(ended) if isinstance(ended, datetime) else EPOCH)
        latest.setdefault(key, (first_line[:_LONGEST_MESSAGE], document["_id"]))
    groups = [
        FailureGroup(
            name=name,
            error=error,
            place=place,
            count=len(moments),
            first_seen=moments[-1],
            last_seen=moments[0],
            message=latest[name, error, place][0],
            last_id=latest[name, error, place][1],
        )
        for (name, error, place), moments in seen.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, group.name, group.error, group.place))


def _error(first_line: str) -> str:
    """Return the name of the exception, or how else the job ended."""
    for pattern, reason in _REASONS:
        if pattern.match(first_line):
            return reason
    found = _EXCEPTION.match(first_line)
    return found[1] if found else OTHER


def _place(text: str) -> str:
    """Return the place of the innermost frame of the traceback in *text*."""
    places = [f"{file}:{line} in {function}" for file, line, function in _PLACE.findall(text)]
    return places[-1] if places else ""
