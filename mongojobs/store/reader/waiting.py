"""Waiting jobs, grouped by name: those that are due, and those that no worker could load so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mongojobs.core.job import READY, Document
from mongojobs.core.retry import LONGEST_DEFERRAL
from mongojobs.store import indexes
from mongojobs.store.filters import EPOCH
from mongojobs.store.queries import Queries
from mongojobs.store.reading import aware

_MILLISECONDS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingName:
    """How many jobs of a *name* are due, and since when the *oldest* has been due."""

    name: str
    jobs: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Due jobs by name, the most frequent name first; *is_all* if none was left out."""

    names: tuple[WaitingName, ...]
    looked_at: int
    is_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredName:
    """How many jobs of a *name* no worker could load so far, *since* when, and for what *reason*."""

    name: str
    jobs: int
    since: datetime
    reason: str


def waiting(queries: Queries, *, limit: int) -> Waiting:
    """Return the *limit* jobs that have been due longest, grouped by name."""
    pipeline: list[Document] = [
        {"$match": {"state": READY, "run_at": {"$gte": EPOCH, "$lte": queries.clock.now()}}},
        {"$sort": {"run_at": 1}},
        {"$limit": limit},
        {"$group": {"_id": "$name", "jobs": {"$sum": 1}, "oldest": {"$min": "$run_at"}}},
    ]
    names = [
        WaitingName(name=str(one["_id"]), jobs=one["jobs"], oldest=aware(one["oldest"]))
        for one in _run(queries, pipeline)
    ]
    looked_at = sum(name.jobs for name in names)
    return Waiting(tuple(sorted(names, key=lambda name: (-name.jobs, name.name))), looked_at, looked_at < limit)


def deferred(queries: Queries, *, limit: int) -> list[DeferredName]:
    """Return what no worker could load among the *limit* ready jobs due last within some minutes, by name.

    Such jobs are put off by no more than that, so they are found unless very many others are there too.
    """
    soon = queries.clock.now() + LONGEST_DEFERRAL
    pipeline: list[Document] = [
        {"$match": {"state": READY, "run_at": {"$gte": EPOCH, "$lte": soon}}},
        {"$sort": {"run_at": -1}},
        {"$limit": limit},
        {"$match": {"deferred_since": {"$type": "date"}}},
        {
            "$group": {
                "_id": "$name",
                "jobs": {"$sum": 1},
                "since": {"$min": "$deferred_since"},
                "reason": {"$first": "$deferred_reason"},
            }
        },
    ]
    found = [
        DeferredName(name=str(one["_id"]), jobs=one["jobs"], since=aware(one["since"]), reason=str(one["reason"]))
        for one in _run(queries, pipeline)
    ]
    return sorted(found, key=lambda one: (-one.jobs, one.name))


def _run(queries: Queries, pipeline: list[Document]) -> list[Document]:
    return queries.aggregate(pipeline, index=indexes.READY_BY_TIME, maxTimeMS=_MILLISECONDS)
