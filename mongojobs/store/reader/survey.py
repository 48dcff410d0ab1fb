"""A survey of all jobs, to find out what is wrong: each query reads a bounded number of index keys."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from mongojobs.core.job import FAILED, READY, STATES, Document, JobId
from mongojobs.store import indexes
from mongojobs.store.filters import EPOCH
from mongojobs.store.queries import Queries

MOST_JOBS: Final = 1000
MOST_OF_AN_AGE: Final = 2500
"""How many of the oldest and of the newest jobs are searched for what no index knows."""

SurveyedState = Literal["ready", "failed"]

_CLASS: Final[Document] = {"$ifNull": ["$handler.target.v.class", "$handler.target"]}
"""The class of a document's method is inside the reference to the document; other targets name it directly."""

_BYTES: Final[Document] = {"$cond": [{"$eq": [{"$type": "$handler"}, "object"]}, {"$bsonSize": "$handler"}, 0]}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """Jobs of one kind: how many, their largest payload, and the id of one of them.

    *handler* is their payload as far as it tells which code it is for: without arguments.
    """

    name: str
    handler: Document
    jobs: int
    most_bytes: int
    example: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class OddState:
    """An unknown state: no query of a worker or a list finds the *jobs* in it."""

    state: object
    jobs: int
    example: JobId


def kinds(queries: Queries, state: SurveyedState) -> list[JobKind]:
    """Return the kinds of the first ready jobs, or of the last failed ones."""
    if state == READY:
        return _kinds(queries, {"state": READY, "run_at": {"$gte": EPOCH}}, {"run_at": 1}, indexes.READY_BY_TIME)
    return _kinds(queries, {"state": FAILED}, {"finished_at": -1}, indexes.ENDED)


def odd_states(queries: Queries) -> list[OddState]:
    """Return the unknown states among the 2,500 oldest and the 2,500 newest jobs."""
    found: dict[JobId, object] = {}
    for direction in (1, -1):
        pipeline: list[Document] = [
            {"$sort": {"_id": direction}},
            {"$limit": MOST_OF_AN_AGE},
            {"$match": {"state": {"$nin": list(STATES)}}},
            {"$project": {"state": 1}},
        ]
        found |= {one["_id"]: one.get("state") for one in queries.collection.aggregate(pipeline)}
    examples = {repr(state): (state, job_id) for job_id, state in found.items()}
    jobs = Counter(map(repr, found.values()))
    return [OddState(state=state, jobs=jobs[text], example=job_id) for text, (state, job_id) in examples.items()]


def collection_type(queries: Queries) -> str:
    """Return ``collection``, or ``capped``, ``timeseries`` or ``view``."""
    made = next(queries.collection.database.list_collections(filter={"name": queries.collection.name}), {})
    return "capped" if made.get("options", {}).get("capped") else str(made.get("type", "collection"))


def foreign_indexes(queries: Queries) -> list[Document]:
    """Return the indexes on the jobs that are not ours, as the server lists them."""
    ours = {"_id_", *(index.name for index in indexes.INDEXES if not index.suffix)}
    return [dict(found) for found in queries.collection.list_indexes() if found["name"] not in ours]


def _kinds(queries: Queries, query: Document, order: Document, index: str) -> list[JobKind]:
    key: Document = {
        "name": "$name",
        "v": "$handler.v",
        "kind": "$handler.kind",
        "class": _CLASS,
        "method": "$handler.method",
    }
    sums: Document = {"jobs": {"$sum": 1}, "bytes": {"$max": "$bytes"}, "example": {"$first": "$_id"}}
    pipeline: list[Document] = [
        {"$match": query},
        {"$sort": order},
        {"$limit": MOST_JOBS},
        {"$project": {**key, "bytes": _BYTES}},
        {"$group": {"_id": {name: f"${name}" for name in key}, **sums}},
    ]
    return [_to_kind(found) for found in queries.aggregate(pipeline, index=index)]


def _to_kind(found: Document) -> JobKind:
    key = found["_id"]
    is_method = key.get("kind") == "method"
    handler: Document = {
        "v": key.get("v"),
        "kind": key.get("kind"),
        "target": {"v": {"class": key.get("class")}} if is_method else key.get("class"),
        "method": key.get("method"),
        "args": [],
        "kwargs": {},
    }
    if handler["method"] is None:
        del handler["method"]
    return JobKind(
        name=str(key.get("name")),
        handler=handler,
        jobs=found["jobs"],
        most_bytes=found["bytes"],
        example=found["example"],
    )
