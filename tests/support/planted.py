"""Documents as planted by somebody who may write to the collections: each field in turn holds something odd."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from mongojobs.core.job import State
from mongojobs.core.stats import OUTCOMES
from mongojobs.store.documents import to_document
from tests.support.jobs import a_job

Document = dict[str, Any]

ODD: tuple[Any, ...] = (
    *(None, True, "", "soon", "\x1b[31m\x00\n<b>", "9" * 5000),
    *(-1, 2**31, Int64(2**63 - 1), Int64(-(2**63)), 1.5, float("nan"), float("inf"), float("-inf"), 1e308),
    *(Decimal128("NaN"), Decimal128("1e6000"), MinKey(), MaxKey(), Timestamp(1, 1), Code("1", {}), Regex("(")),
    *(
        DatetimeMS(2**62),
        DatetimeMS(-(2**62)),
        DatetimeMS(253402300800000),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
    ),
    *(b"\xff\xfe", Binary(b"\0" * 16, 4), ObjectId("65a1b2c3d4e5f60718293a4b")),
    *([], [None], [[1]], {}, {"$ne": 1}, {"": {"a.b": 1}}),
)
"""Values of every type that BSON has, at their edges."""

JOB_FIELDS = (
    *("name", "queue", "priority", "run_at", "state", "handler", "attempts", "fence", "losses", "releases", "snoozes"),
    *(
        "max_attempts",
        "max_run_time",
        "locked_at",
        "locked_by",
        "locked_until",
        "lock_token",
        "failed_at",
        "last_error",
    ),
    *(
        "errors",
        "created_at",
        "finished_at",
        "expire_at",
        "tags",
        "meta",
        "id_given",
        "ran_by",
        "took",
        "retries",
        "cancellation",
    ),
)
NOW = datetime.now(UTC).replace(microsecond=0)
_MORE: dict[str, Document] = {
    "running": {"locked_at": NOW, "locked_by": "w", "locked_until": NOW + timedelta(minutes=1), "lock_token": "t"},
    "failed": {"finished_at": NOW, "failed_at": NOW, "last_error": "E: e", "errors": [{"at": NOW, "error": "E: e"}]},
}


def plant_jobs(jobs: Collection[Document], field: str, *states: State) -> None:
    """Plant jobs in *states* whose *field* is odd in each way."""
    sound = [to_document(a_job(state=state, run_at=NOW)) | _MORE.get(state, {}) for state in states]
    jobs.insert_many({**one, "_id": ObjectId(), field: value} for one in sound for value in ODD)


def plant_jobs_with_odd_ids(jobs: Collection[Document]) -> None:
    """Plant jobs whose id is odd in each way that the server stores."""
    _plant_what_is_taken(jobs, ({**to_document(a_job(state="failed", finished_at=NOW)), "_id": value} for value in ODD))


def plant_workers(workers: Collection[Document]) -> None:
    """Plant workers with each field odd in each way: alive ones, as far as the store can tell."""
    run = {"id": ObjectId(), "name": "n", "queue": "q", "since": NOW}
    sound = {
        "host": "h",
        "pid": 1,
        "started_at": NOW,
        "queues": [],
        "threads": 1,
        "busy": 0,
        "version": "1",
        "running": [],
        "min_priority": None,
        "max_priority": None,
        "state": "working",
        "memory_bytes": 1,
        "heartbeat_at": NOW,
        "expire_at": NOW + timedelta(hours=1),
    }
    workers.insert_many({**sound, "_id": uuid4().hex, field: value} for field in sound for value in ODD)
    workers.insert_many(
        {**sound, "_id": uuid4().hex, "running": [{**run, field: value}]} for field in run for value in ODD
    )
    workers.insert_many({"_id": uuid4().hex, "expire_at": sound["expire_at"], "running": value} for value in ODD)


def plant_pauses(pauses: Collection[Document]) -> None:
    """Plant pauses with each field odd in each way."""
    sound = {"paused": True, "since": NOW, "until": None, "reason": ""}
    pauses.insert_many({**sound, "_id": uuid4().hex, field: value} for field in sound for value in ODD)
    _plant_what_is_taken(pauses, ({**sound, "_id": value} for value in ODD))


def plant_logs(logs: Collection[Document], job_id: object) -> None:
    """Plant chunks of the log of a job with each field odd in each way, besides a sound one."""
    line: Document = {"at": NOW, "level": "INFO", "text": "sound"}
    sound: Document = {"job_id": job_id, "began": NOW, "fence": 1, "n": 0, "attempt": 1, "worker": "w", "lines": [line]}
    sound["dropped"] = 0
    logs.insert_one({**sound, "_id": uuid4().hex})
    for value in ODD:
        logs.insert_many({**sound, "_id": uuid4().hex, field: value} for field in sound if field != "job_id")
        logs.insert_one({**sound, "_id": uuid4().hex, "lines": [value]})
        logs.insert_many({**sound, "_id": uuid4().hex, "lines": [{**line, field: value}]} for field in line)


def plant_stats(stats: Collection[Document]) -> None:
    """Plant figures of the last minutes with each field odd in each way."""
    entry: Document = {"name": "n", "queue": "q", **dict.fromkeys(OUTCOMES, 1)}
    entry |= {"run": {"counts": [1], "seconds": 1.0, "longest": 1.0}, "wait": {"counts": [1], "seconds": 1.0}}
    for step, at in _steps():
        begin = f"{step} {at.strftime('%Y-%m-%dT%H:%MZ')}"
        for document in _odd_figures(entry, at):
            stats.insert_one({"_id": f"{begin} {uuid4().hex}"} | document)


def _odd_figures(entry: Document, at: datetime) -> Iterator[Document]:
    for value in ODD:
        yield {"at": value, "jobs": [entry], "all": [entry]}
        yield {"at": at, "jobs": value, "all": value}
        yield {"at": at, "jobs": [value], "all": [value]}
        for field in entry:
            yield {"at": at, "jobs": [{**entry, field: value}], "all": [{**entry, field: value}]}
        for field in entry["run"]:
            run = {**entry["run"], field: value}
            yield {"at": at, "jobs": [{**entry, "run": run}], "all": [{**entry, "wait": run}]}
        yield {
            "at": at,
            "jobs": [{**entry, "run": {"counts": [value]}}],
            "all": [{**entry, "run": {"counts": [value]}}],
        }


def _steps() -> Iterator[tuple[str, datetime]]:
    minute = NOW.replace(second=0)
    yield "minute", minute
    yield "hour", minute.replace(minute=0)
    yield "day", minute.replace(minute=0, hour=0)


def _plant_what_is_taken(collection: Collection[Document], documents: Iterable[Document]) -> None:
    """Plant documents whose ids are odd; the server refuses some, and some are the same to it."""
    with suppress(BulkWriteError):
        collection.insert_many(documents, ordered=False)
