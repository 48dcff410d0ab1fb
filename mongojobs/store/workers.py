"""The workers that are alive, in a collection beside the jobs: one document a worker, renewed by its heartbeat.

Nothing depends on these documents but what people are shown. A worker that dies leaves its document behind, and the
server removes it some time after ``expire_at``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from pymongo import WriteConcern

from mongojobs.core.clock import Clock
from mongojobs.core.job import Document
from mongojobs.core.settings import Settings
from mongojobs.store.clients import Jobs
from mongojobs.store.documents import aware

WORKERS_SUFFIX: Final = "_workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """What a worker process says of itself; *name* is its label, *busy* the number of jobs it is running."""

    name: str
    host: str
    pid: int
    started_at: datetime
    queues: tuple[str, ...]
    threads: int
    busy: int
    version: str
    heartbeat_at: datetime | None = None
    """When it last said so; set by the store."""


class WorkerStore:
    """The collection ``delayed_jobs_workers``: named after that of the *jobs*, and on the same client."""

    def __init__(self, jobs: Jobs, clock: Clock, settings: Settings) -> None:
        self.collection: Jobs = jobs.database.get_collection(
            jobs.name + WORKERS_SUFFIX,
            codec_options=jobs.codec_options,
            read_preference=jobs.read_preference,
            write_concern=WriteConcern(w=1),
        )
        self._clock = clock
        self._lease = settings.lease

    def beat(self, status: WorkerStatus) -> None:
        """Say that the worker is alive: so it counts until its locks would run out too. Raises DatabaseError."""
        now = self._clock.now()
        document = asdict(status) | {"heartbeat_at": now, "expire_at": now + self._lease, "queues": list(status.queues)}
        name = document.pop("name")
        self.collection.update_one({"_id": {"$eq": name}}, {"$set": document}, upsert=True)

    def remove(self, name: str) -> None:
        """Forget the worker, which has ended. Raises DatabaseError."""
        self.collection.delete_one({"_id": {"$eq": name}})

    def alive(self) -> list[WorkerStatus]:
        """Return the workers whose last word is younger than a lease, by name. Raises DatabaseError."""
        living = {"expire_at": {"$gt": self._clock.now()}}
        return sorted((_to_status(found) for found in self.collection.find(living)), key=lambda status: status.name)


def _to_status(document: Document) -> WorkerStatus:
    """Read what the worker wrote; it may be of another version of this library."""
    return WorkerStatus(
        name=str(document["_id"]),
        host=str(document.get("host", "")),
        pid=int(document.get("pid", 0)),
        started_at=aware(document["started_at"]),
        queues=tuple(map(str, document.get("queues", ()))),
        threads=int(document.get("threads", 0)),
        busy=int(document.get("busy", 0)),
        version=str(document.get("version", "")),
        heartbeat_at=aware(document["heartbeat_at"]),
    )
