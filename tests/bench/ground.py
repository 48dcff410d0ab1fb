"""The database that is measured on: filled, surrounded, emptied."""

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from bson import ObjectId
from pymongo import MongoClient, WriteConcern
from pymongo.database import Database

import mongojobs
import mongojobs.testing
from mongojobs.enqueuing.functions import JobFunction
from mongojobs.store.documents import to_document
from tests.bench.workers import Worker, loop_rate, rate

Document = dict[str, Any]
_CHUNK = 10_000
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Ground:
    """The jobs of one database; *scale* shrinks all that is large, for a quick look whether everything works."""

    def __init__(self, uri: str, scale: float) -> None:
        self.uri = uri
        self._scale = scale
        self._client = MongoClient[Document](uri, tz_aware=True)
        self.database: Database[Document] = self._client.get_default_database()
        self.jobs = self.database.get_collection("delayed_jobs", write_concern=WriteConcern("majority"))

    def size(self, count: int, least: int = 20) -> int:
        """Return *count* in the scale of this run."""
        return max(int(count * self._scale), least)

    def clear(self) -> None:
        """Begin anew: no job, all indexes."""
        self.database.client.drop_database(self.database.name)
        mongojobs.default_app().create_indexes()

    def fill(self, function: JobFunction[[int], Any], count: int, **changes: Any) -> None:
        """Store so many due calls of *function*, numbered from 0, with *changes* of their fields."""
        for chunk in _chunks(_documents(function, count, changes)):
            self.jobs.insert_many(chunk, ordered=False)

    def surround(self, function: JobFunction[[int], Any], *, failed: int, scheduled: int, priorities: int) -> None:
        """Put failed and scheduled jobs about, and locked ones."""
        ended = {"state": "failed", "failed_at": _LONG_AGO, "finished_at": _LONG_AGO}
        self.fill(function, failed, **ended)
        later = datetime.now(UTC) + timedelta(days=1)
        for priority in range(priorities):
            self.fill(function, scheduled // priorities, run_at=later, priority=priority - priorities // 2)
        lock = {"locked_at": _LONG_AGO, "locked_by": "another", "locked_until": later, "lock_token": "another"}
        self.fill(function, self.size(1000), state="running", **lock)

    def pause(self, queue: str) -> None:
        """Pause a queue."""
        mongojobs.default_app().pause(queue)

    def drain(self, *arguments: str, limit: int = 0) -> float:
        """Let a worker drain all jobs, or so many, and return the jobs a second."""
        return rate([self.drained(*arguments, limit=limit)])

    def drained(self, *arguments: str, limit: int = 0) -> SimpleNamespace:
        """Do as ``drain``, and return what the worker noted."""
        return Worker(self.uri, "--exit-on-complete", *arguments, limit=limit).end()

    def drained_together(self, function: JobFunction[[int], Any], size: int, count: int) -> list[SimpleNamespace]:
        """Let *count* idle workers begin to drain *size* jobs at one moment, and return what they noted."""
        self.fill(function, size, run_at=datetime.now(UTC) + timedelta(seconds=3 + 0.7 * count))
        workers = [Worker(self.uri) for _ in range(count)]
        while self.jobs.estimated_document_count():
            time.sleep(0.1)
        return [notes for notes in [worker.stop() for worker in workers] if notes.started]

    def loop(self, way: str, limit: int) -> float:
        """Let a loop without a library drain up to so many jobs, and return the jobs a second."""
        return loop_rate(way, self.uri, limit)


def _documents(function: JobFunction[[int], Any], count: int, changes: Document) -> Iterator[Document]:
    """Make documents as an enqueue makes them, from one that it has made."""
    with mongojobs.testing.mode("fake"):
        made = to_document(function.delay(0)) | {"run_at": _LONG_AGO, **changes}
    for number in range(count):
        handler = made["handler"] | {"args": [number]}
        yield made | {"_id": ObjectId(), "handler": handler}


def _chunks(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while chunk := list(itertools.islice(documents, _CHUNK)):
        yield chunk
