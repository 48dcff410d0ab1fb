"""Query filters that have a meaning, each with a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar

from mongojobs.core.job import READY, RUNNING, Document, Job, JobId
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.retry import ALONE_FROM_LOSSES

T = TypeVar("T")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""As a lower bound it selects every value that is a date."""

MOST_NAMED: Final = 10_000
"""How many ids or keys one query may name, of up to 256 characters each: no query may be larger than 16 MB."""

RESERVE_ORDER: Final = [("priority", 1), ("run_at", 1), ("_id", 1)]
"""By priority, then by due time, then by time of enqueueing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSelector:
    """Which jobs a worker works on: of which queues (empty: all) and priorities (both ends included).

    With *only*, it is this one, due or not.
    """

    queues: tuple[str, ...] = ()
    min_priority: int | None = None
    max_priority: int | None = None
    only: JobId | None = None


def in_parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Return *values*, which are ids or keys, in parts that a query may name."""
    return (values[place : place + MOST_NAMED] for place in range(0, len(values), MOST_NAMED))


def one(job_id: JobId, *, field: str = "_id") -> Document:
    """Match the document with this id, whatever its type; match nothing if the database could not even be asked.

    In another collection than that of the jobs, their ids are in another *field*.
    """
    if isinstance(job_id, int) and not -(2**63) <= job_id < 2**63:
        return {field: {"$in": []}}
    return {field: {"$eq": job_id}}


def wanted_ready(wanted: QueueSelector) -> Document:
    """Match the wanted ready jobs, due or not.

    ``priority`` is bounded even when every one is wanted: else the server finds no bound for ``run_at`` behind it in
    the index, and walks over all jobs of the future.
    """
    query: Document = {
        "state": READY,
        "priority": {
            "$gte": LOWEST_PRIORITY if wanted.min_priority is None else wanted.min_priority,
            "$lte": HIGHEST_PRIORITY if wanted.max_priority is None else wanted.max_priority,
        },
    }
    if wanted.queues:
        query["queue"] = {"$in": list(wanted.queues)}
    return query if wanted.only is None else query | one(wanted.only)


def reservable(wanted: QueueSelector, *, now: datetime, beside: bool) -> Document:
    """Match the jobs that may be reserved *now*.

    With *beside*, the process holds other jobs, and a job that lost its worker twice is left for one that holds none.
    """
    query = wanted_ready(wanted)
    if wanted.only is None:
        query["run_at"] = {"$lte": now}
    if beside:
        query["losses"] = {"$not": {"$gte": ALONE_FROM_LOSSES}}
    return query


def held(job: Job) -> Document:
    """Match *job* only while it still carries the lock it was reserved with."""
    return {"_id": {"$eq": job.id}, "state": RUNNING, "lock_token": job.lock_token}


NOT_CANCELLED: Final[Document] = {"cancellation": None}
"""Matches the running jobs that nobody has cancelled."""


def held_groups(jobs: Iterable[Job], also: Mapping[str, Any] = MappingProxyType({})) -> Document:
    """Match those of *jobs* that still carry the lock they were reserved with, and match *also*.

    Each id under its own token: combined by two independent ``$in``, a stale id would match under the token of another
    job of the same list, and change a job that somebody else is running. Each under *also*: beside the groups, it would
    make the server read each job twice.
    """
    ids: dict[str | None, list[JobId]] = {}
    for job in jobs:
        ids.setdefault(job.lock_token, []).append(job.id)
    groups = [
        {"state": RUNNING, "lock_token": token, "_id": {"$in": of_token}, **also} for token, of_token in ids.items()
    ]
    return groups[0] if len(groups) == 1 else {"$or": groups}


def with_token(token: str) -> Document:
    """Match what is locked with *token*; the bound on ``locked_until`` is there for the index, which begins with it."""
    return {"state": RUNNING, "locked_until": {"$gte": EPOCH}, "lock_token": token}


def expired(now: datetime) -> Document:
    """Match running jobs whose lease has expired."""
    return {"state": RUNNING, "locked_until": {"$lte": now}, "lock_token": {"$gte": ""}}


def expired_as_seen(document: Document, *, now: datetime) -> Document:
    """Match *document* while its lease is still expired and nobody has reserved or renewed it since."""
    return {
        "_id": {"$eq": document["_id"]},
        "state": RUNNING,
        "lock_token": document["lock_token"],
        "locked_until": {"$lte": now},
    }


def merged(*queries: Document) -> Document:
    """Match whatever matches all *queries*."""
    parts = [query for query in queries if query]
    fields = [field for query in parts for field in query]
    if len(fields) == len(set(fields)):
        return {field: value for query in parts for field, value in query.items()}
    return {"$and": parts}
