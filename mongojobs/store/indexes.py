"""The indexes of the collections, each with the query it serves, and whether the server has them.

They are partial: only jobs in the states that the query asks for are in them. So failed and completed jobs, however
many, cost a reserve nothing, and the server can never remove a job before it has ended. The query must carry the
literal filter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from mongojobs.core.job import ENDED as ENDED_STATES
from mongojobs.core.job import READY as READY_STATE
from mongojobs.core.job import RUNNING as RUNNING_STATE
from mongojobs.core.job import Document
from mongojobs.store.clients import Jobs, beside, is_real, topology
from mongojobs.store.logs.reading import LOGS_SUFFIX, ORDER
from mongojobs.store.stats.stats_store import STATS_SUFFIX
from mongojobs.store.workers import WORKERS_SUFFIX

READY: Final = "ready"
UNIQUE: Final = "unique"
READY_BY_QUEUE: Final = "ready_by_queue"
READY_BY_TIME: Final = "ready_by_time"
RUNNING: Final = "running"
ENDED: Final = "ended"
EXPIRED: Final = "expired"
ALIVE: Final = "alive"
KEPT: Final = "kept"
DUE: Final = "due"
LINES: Final = "lines"

SCHEDULES_SUFFIX: Final = "_schedules"

_SHARDED_LIMITS: Final = (
    "no index can keep a job_id unique over several shards; by {queue, _id} it is unique in its queue",
    "no index can keep a unique_key unique over several shards: unique jobs are refused at enqueue",
    "a worker that does not work on exactly one queue asks every shard; by another key, each does",
)
"""What a sharded collection cannot have. Source: unique indexes must begin with the shard key."""

Status = Literal["present", "missing", "created", "different"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One required index; *serves* says what would be slow without it."""

    name: str
    keys: tuple[str, ...]
    serves: str
    only: Document | None = None
    is_ttl: bool = False
    is_unique: bool = False
    suffix: str = ""
    """What follows the name of the jobs' collection in this collection's name."""

    @property
    def model(self) -> IndexModel:
        """The index for the driver."""
        return IndexModel([(key, 1) for key in self.keys], name=self.name, **self.options)

    @property
    def options(self) -> dict[str, Any]:
        """What distinguishes the index from another on the same keys."""
        partial = {} if self.only is None else {"partialFilterExpression": self.only}
        unique = {"unique": True} if self.is_unique else {}
        return partial | unique | ({"expireAfterSeconds": 0} if self.is_ttl else {})


_READY_ONLY: Final[Document] = {"state": READY_STATE}
_RUNNING_ONLY: Final[Document] = {"state": RUNNING_STATE}
_ENDED_ONLY: Final[Document] = {"state": {"$in": list(ENDED_STATES)}}

INDEXES: Final = (
    Index(
        name=READY,
        keys=("priority", "run_at", "_id"),
        only=_READY_ONLY,
        serves="reserving the next job of all queues",
    ),
    Index(
        name=READY_BY_QUEUE,
        keys=("queue", "priority", "run_at", "_id"),
        only=_READY_ONLY,
        serves="reserving the next job of some queues",
    ),
    Index(
        name=READY_BY_TIME,
        keys=("run_at", "_id", "queue", "priority"),
        only=_READY_ONLY,
        serves="finding when the next scheduled job is due; latency and size of queues; lists of ready jobs",
    ),
    Index(
        name=RUNNING,
        keys=("locked_until", "lock_token", "_id", "queue"),
        only=_RUNNING_ONLY,
        serves="rescuing the jobs of lost workers; lists of running jobs",
    ),
    Index(
        name=ENDED,
        keys=("state", "finished_at", "_id", "queue", "name"),
        only=_ENDED_ONLY,
        serves="lists and counts of failed, completed and cancelled jobs",
    ),
    Index(
        name=EXPIRED,
        keys=("expire_at",),
        only=_ENDED_ONLY,
        is_ttl=True,
        serves="removing ended jobs that were kept long enough",
    ),
    Index(
        name=UNIQUE,
        keys=("unique_key",),
        only={"unique_key": {"$exists": True}},
        is_unique=True,
        serves="keeping unique jobs unique: without it they are refused",
    ),
    Index(
        name=ALIVE,
        keys=("expire_at",),
        is_ttl=True,
        suffix=WORKERS_SUFFIX,
        serves="removing what dead workers left in the list of workers",
    ),
    Index(
        name=KEPT,
        keys=("expire_at",),
        is_ttl=True,
        suffix=STATS_SUFFIX,
        serves="removing figures about runs that were kept long enough",
    ),
    Index(
        name=LINES,
        keys=("job_id", *ORDER),
        suffix=LOGS_SUFFIX,
        serves="reading what a job has logged, and removing it with the job",
    ),
    Index(
        name=KEPT,
        keys=("expire_at",),
        is_ttl=True,
        suffix=LOGS_SUFFIX,
        serves="removing what jobs have logged that was kept long enough",
    ),
    Index(
        name=DUE,
        keys=("next_run_at",),
        suffix=SCHEDULES_SUFFIX,
        serves="finding the schedules that are due",
    ),
)


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """An index and whether the *collection* has it; *remedy* says what to do about one that differs."""

    index: Index
    collection: str
    status: Status
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """All indexes with their status; *limits* lists, in sentences, what no index can provide on this collection."""

    indexes: tuple[IndexStatus, ...]
    limits: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every index exists and is as required."""
        return not self.with_status("missing", "different")

    def with_status(self, *statuses: Status) -> tuple[IndexStatus, ...]:
        """Return the indexes that have one of *statuses*."""
        return tuple(one for one in self.indexes if one.status in statuses)


def check_indexes(jobs: Jobs) -> IndexReport:
    """Compare the indexes of the collections with those required, and change nothing. Raises DatabaseError."""
    found = {suffix: _existing(_collection(jobs, suffix)) for suffix in {index.suffix for index in INDEXES}}
    is_sharded = _is_sharded(jobs)
    wanted = [index for index in _wanted(jobs) if not (index.is_unique and is_sharded)]
    statuses = tuple(_status(jobs, index, found[index.suffix]) for index in wanted)
    return IndexReport(statuses, limits=_SHARDED_LIMITS if is_sharded else ())


def create_indexes(jobs: Jobs) -> IndexReport:
    """Create the missing indexes and report what was done; indexes that differ are left alone.

    May be called any number of times, by several processes at once, while jobs are running. Raises DatabaseError.
    """
    report = check_indexes(jobs)
    for suffix in {one.index.suffix for one in report.with_status("missing")}:
        missing = [one.index.model for one in report.with_status("missing") if one.index.suffix == suffix]
        _collection(jobs, suffix).create_indexes(missing)
    return replace(report, indexes=tuple(_created(one) for one in report.indexes))


def has_unique_index(jobs: Jobs) -> bool:
    """Whether the collection has the index that keeps unique jobs unique. Raises DatabaseError."""
    with jobs.database.client.start_session() as apart:  # not the caller's, whose transaction it would end
        return any(found["name"] == UNIQUE and found.get("unique") for found in jobs.list_indexes(session=apart))


def _wanted(jobs: Jobs) -> Iterable[Index]:
    """Return the indexes to have.

    On mongomock no TTL, which would delete at once and by the wall clock, and no unique one: it knows no partial
    indexes, so that a second job without a key would be refused.
    """
    if is_real(jobs.database.client):
        return INDEXES
    return [index for index in INDEXES if not index.is_ttl and not index.is_unique]


def _collection(jobs: Jobs, suffix: str) -> Jobs:
    return beside(jobs, suffix) if suffix else jobs


def _is_sharded(jobs: Jobs) -> bool:
    """Whether the collection's documents are spread over shards; no if it lives on a single shard."""
    if topology(jobs.database.client) != "sharded":
        return False
    try:
        return bool(jobs.database.command("collStats", jobs.name).get("sharded"))
    except OperationFailure:  # not there yet, or not to be looked at: then there is nothing to say
        return False


def _existing(collection: Jobs) -> list[Document]:
    return [dict(found) for found in collection.list_indexes()]


def _created(status: IndexStatus) -> IndexStatus:
    return replace(status, status="created") if status.status == "missing" else status


def _status(jobs: Jobs, index: Index, existing: list[Document]) -> IndexStatus:
    collection = jobs.name + index.suffix
    named = next((found for found in existing if found["name"] == index.name), None)
    if named is None:
        twin = next((found for found in existing if _difference(index, found) is None), None)
        if twin is None:
            return IndexStatus(index, collection, "missing")
        wrong = f"is the index {index.name} under another name, and queries ask for it by name"
        return IndexStatus(index, collection, "different", _remedy(collection, twin, wrong))
    difference = _difference(index, named)
    if difference is None or not is_real(jobs.database.client):
        return IndexStatus(index, collection, "present")
    return IndexStatus(index, collection, "different", _remedy(collection, named, difference))


def _difference(index: Index, found: Document) -> str | None:
    """Return how the index *found* differs from *index*, apart from its name; None if it does not."""
    keys = dict(found["key"])
    if list(keys.items()) != [(key, 1) for key in index.keys]:
        return f"has the keys {keys} and should have {dict.fromkeys(index.keys, 1)}"
    for option in ("partialFilterExpression", "expireAfterSeconds", "unique", "sparse", "hidden", "collation"):
        has, should_have = found.get(option), index.options.get(option)
        if has != should_have and has is not False:
            return f"has {option} {has!r} and should have {should_have!r}"
    return None


def _remedy(collection: str, found: Document, difference: str) -> str:
    name = found["name"]
    return f'{name} {difference}: drop it with db.{collection}.dropIndex("{name}"), then create the indexes again'
