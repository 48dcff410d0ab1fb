"""The database that is measured on: filled, surrounded, emptied."""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern
from pymongo.database import Database

import mongojobs
import mongojobs.testing
from mongojobs.enqueuing.functions import JobFunction
from mongojobs.store.documents import to_document
from tests.bench.records import Record, rate
from tests.bench.workers import Worker, cpu_seconds, loop_rate, working
from tests.support.command_line import ROOT

Document = dict[str, Any]
_CHUNK = 10_000
_ANY_NUMBER = 0x5EED_F00D
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Ground:
    """The jobs of one database; *scale* shrinks all that is large, for a quick look whether everything works."""

    def __init__(self, uri: str, scale: float, backlog: int = 0, before: Path | None = None) -> None:
        self.uri = uri
        self.before = before
        """Where the code of an earlier version is, to measure beside this one."""
        self.backlog = backlog
        """How many jobs the largest backlog has, before it is shrunk."""
        self._scale = scale
        self._client = MongoClient[Document](uri, tz_aware=True)
        self.database: Database[Document] = self._client.get_default_database()
        self.jobs = self.database.get_collection("delayed_jobs", write_concern=WriteConcern("majority"))

    def size(self, count: int, least: int = 20) -> int:
        """Return *count* in the scale of this run."""
        return max(int(count * self._scale), least)

    def turns(self, count: int) -> range:
        """Return *count* turns, or one for a quick look."""
        return range(count if self._scale == 1 else 1)

    def clear(self) -> None:
        """Start over: no job, all indexes."""
        self.database.client.drop_database(self.database.name)
        mongojobs.default_app().create_indexes()

    def fill(self, function: JobFunction[[int], Any], count: int, **changes: Any) -> None:
        """Store this many due calls of *function*, numbered from 0, with *changes* of their fields."""
        for chunk in _chunks(_documents(function, count, changes)):
            self.jobs.insert_many(chunk, ordered=False)

    def surround(self, function: JobFunction[[int], Any], *, failed: int, scheduled: int, priorities: int) -> None:
        """Add failed, scheduled and locked jobs."""
        ended = {"state": "failed", "failed_at": _LONG_AGO, "finished_at": _LONG_AGO}
        self.fill(function, failed, **ended)
        later = datetime.now(UTC) + timedelta(days=1)
        for priority in range(priorities):
            self.fill(function, scheduled // priorities, run_at=later, priority=priority - priorities // 2)
        lock = {"locked_at": _LONG_AGO, "locked_by": "another", "locked_until": later, "lock_token": "another"}
        self.fill(function, self.size(1000), state="running", **lock)

    def surround_by_completed(self, function: JobFunction[[int], Any], count: int) -> None:
        """Add completed jobs that are kept for long."""
        ended = {"state": "completed", "finished_at": _LONG_AGO, "expire_at": datetime.now(UTC) + timedelta(days=9)}
        self.fill(function, count, **ended)

    def server_cpu_seconds(self) -> float:
        """Return the processor time that the server has used so far; it must run on this machine."""
        return cpu_seconds(self.database.command("serverStatus")["pid"])

    def pause(self, queue: str) -> None:
        """Pause a queue."""
        mongojobs.default_app().pause(queue)

    def drain(self, *arguments: str, limit: int = 0) -> float:
        """Let a worker drain all jobs, or this many, and return the jobs a second."""
        return rate([self.drained(*arguments, limit=limit)])

    def drained(self, *arguments: str, limit: int = 0, through: Sequence[str] = (), root: Path = ROOT) -> Record:
        """Do as ``drain``, and return what the worker did; its log may go *through* a command, its code from *root*."""
        limited = ("--max-jobs", str(limit)) if limit else ()
        return Worker(self.uri, "--exit-on-complete", *limited, *arguments, through=through, root=root).end()

    def drained_together(self, function: JobFunction[[int], Any], size: int, count: int) -> list[Record]:
        """Let *count* idle workers begin to drain *size* jobs at one moment, and return what they did.

        The processor time of each is its part of what all of them and the server have used for the drain.
        """
        self.fill(function, size, run_at=datetime.now(UTC) + timedelta(seconds=3 + 0.7 * count))
        with working(self.uri, count=count) as workers:
            before = self._cpu_seconds_with(workers)
            while self.jobs.estimated_document_count():
                time.sleep(0.1)
            used = self._cpu_seconds_with(workers) - before
            return [replace(worker.stop(), cpu_seconds=used / count) for worker in workers]

    def _cpu_seconds_with(self, workers: Sequence[Worker]) -> float:
        return self.server_cpu_seconds() + sum(worker.cpu_seconds() for worker in workers)

    def loop(self, way: str, limit: int) -> float:
        """Let a loop without a library drain up to this many jobs, and return the jobs a second."""
        return loop_rate(way, self.uri, limit)


def _documents(function: JobFunction[[int], Any], count: int, changes: Document) -> Iterator[RawBSONDocument]:
    """Make documents as an enqueue makes them, from the bytes of one that it has made: so a million take seconds."""
    with mongojobs.testing.mode("fake"):
        made = to_document(function.delay(_ANY_NUMBER)) | {"run_at": _LONG_AGO, **changes}
    data = bytearray(bson.encode(made))
    id_at, number_at = data.index(made["_id"].binary), data.index(_ANY_NUMBER.to_bytes(4, "little"))
    for number in range(count):
        data[id_at : id_at + 12] = ObjectId().binary
        data[number_at : number_at + 4] = number.to_bytes(4, "little")
        yield RawBSONDocument(bytes(data))


def _chunks(documents: Iterator[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    while chunk := list(itertools.islice(documents, _CHUNK)):
        yield chunk
