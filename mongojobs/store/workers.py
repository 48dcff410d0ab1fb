"""The living workers, in a collection beside the jobs: one document per worker, renewed by its heartbeat.

These documents serve only to show workers to people, and to tell a worker what to do: an order is written into its
document, and its heartbeat reads it there when it next says that it is alive. A worker that dies leaves its document
behind, and the server removes it some time after ``expire_at``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, get_args

from pymongo import ReturnDocument, WriteConcern

from mongojobs.core.clock import Clock
from mongojobs.core.inside.progress import Progress
from mongojobs.core.job import Document, JobId
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.settings import Settings
from mongojobs.store import reading
from mongojobs.store.clients import Jobs, beside
from mongojobs.store.documents import shown_id
from mongojobs.store.filters import EPOCH

WORKERS_SUFFIX: Final = "_workers"


MOST_RUNS_SHOWN: Final = 20

WorkerOrder = Literal["quiet", "stop"]
"""What people may tell a worker: to reserve no more jobs, or to stop as on TERM."""

Heard = WorkerOrder | Literal["look"]
"""What a worker hears: an order, or that schedules have changed."""

WorkerState = Literal["working", "quiet", "stopping"]
_STATES: Final = get_args(WorkerState)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """A job that a worker is running, since when, how far it has said it is, and whether it was asked to end."""

    id: JobId
    name: str
    queue: str
    since: datetime
    progress: Progress | None = None
    cancelling: bool = False

    def stored(self) -> Document:
        """Return it as a document, without what does not apply."""
        entry: Document = {"id": self.id, "name": self.name, "queue": self.queue, "since": self.since}
        if self.progress is not None:
            entry["progress"] = self.progress.stored()
        return entry | {"cancelling": True} if self.cancelling else entry


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """What a worker process says about itself; *name* is its label, *busy* the number of jobs it is running.

    *running* names the first 20 of those. With *alone* it begins no other job now, beside one that lost its workers or
    to let such a one in. *memory_bytes* is the most memory that the process has held so far.
    """

    name: str
    host: str
    pid: int
    started_at: datetime
    queues: tuple[str, ...]
    threads: int
    busy: int
    version: str
    alone: bool = False
    min_priority: int | None = None
    max_priority: int | None = None
    state: WorkerState = "working"
    running: tuple[RunningJob, ...] = ()
    memory_bytes: int = 0
    schedules: tuple[str, ...] = ()
    """The names of the schedules that its code declares, which it keeps going."""
    heartbeat_at: datetime | None = None
    """When it last said so; set by the store."""
    told: WorkerOrder | None = None
    """What people have told it to do and it has not done yet; set by the store."""

    def holding(self, jobs: int) -> WorkerStatus:
        """Return this status with *busy* raised to the *jobs* that it holds; some may be waiting for a thread."""
        return replace(self, busy=max(self.busy, min(jobs, self.threads)), alone=self.alone and jobs > 0)

    @property
    def priorities(self) -> tuple[int, int]:
        """The lowest and the highest priority of the jobs it takes."""
        lowest = LOWEST_PRIORITY if self.min_priority is None else self.min_priority
        return lowest, HIGHEST_PRIORITY if self.max_priority is None else self.max_priority

    def listens_to_queue(self, queue: str) -> bool:
        """Whether it takes jobs of *queue*, of any priority."""
        return not self.queues or queue in self.queues

    def listens_to(self, queue: str, priority: int) -> bool:
        """Whether it takes jobs of *queue* with *priority*."""
        lowest, highest = self.priorities
        return self.listens_to_queue(queue) and lowest <= priority <= highest


class WorkerStore:
    """The collection ``delayed_jobs_workers``: named after that of the *jobs*, on the same client."""

    def __init__(self, jobs: Jobs, clock: Clock, settings: Settings) -> None:
        self.collection: Jobs = beside(jobs, WORKERS_SUFFIX, write_concern=WriteConcern(w=1))
        self._clock = clock
        self._lease = settings.lease

    def beat(self, status: WorkerStatus) -> Heard | None:
        """Record that the worker is alive, and return what it has been told since. Raises DatabaseError.

        It counts as alive until its locks would run out too. What was told a namesake before it counts for nothing.
        """
        now = self._clock.now()
        document = asdict(status) | {"heartbeat_at": now, "expire_at": now + self._lease}
        document |= {"queues": list(status.queues), "schedules": list(status.schedules)}
        document["running"] = [run.stored() for run in status.running[:MOST_RUNS_SHOWN]]
        name, _ = document.pop("name"), document.pop("told")
        before = self.collection.find_one_and_update(
            {"_id": {"$eq": name}},
            {"$set": document, "$unset": {"look": ""}},
            {"order": 1, "order_for": 1, "look": 1},
            upsert=True,
            return_document=ReturnDocument.BEFORE,
        )
        if before and before.get("look") is True:
            return "look"
        return _order(before or {}, status.started_at)

    def wake(self) -> None:
        """Let living workers look at the schedules at their next heartbeat. Raises DatabaseError."""
        self.collection.update_many({"expire_at": {"$gt": self._clock.now()}}, {"$set": {"look": True}})

    def tell(self, order: WorkerOrder, names: Iterable[str] | None = None) -> list[str]:
        """Tell living workers what to do, all or those called *names*; return the names of those told.

        They hear it at their next heartbeat. Raises DatabaseError.
        """
        told = [worker for worker in self.alive() if names is None or worker.name in set(names)]
        for worker in told:
            change = {"order": order, "order_for": worker.started_at}
            self.collection.update_one({"_id": {"$eq": worker.name}}, {"$set": change})
        return [worker.name for worker in told]

    def dead(self) -> list[WorkerStatus]:
        """Return the workers silent for a whole lease without having signed off, by name. Raises DatabaseError."""
        return self._some({"expire_at": {"$lte": self._clock.now()}})

    def prune(self) -> int:
        """Forget the dead workers now instead of waiting for the server; return how many. Raises DatabaseError."""
        return self.collection.delete_many({"expire_at": {"$lte": self._clock.now()}}).deleted_count

    def remove(self, name: str) -> None:
        """Forget a worker that has ended. Raises DatabaseError."""
        self.collection.delete_one({"_id": {"$eq": name}})

    def alive(self) -> list[WorkerStatus]:
        """Return the workers heard from within the last lease, by name. Raises DatabaseError."""
        return self._some({"expire_at": {"$gt": self._clock.now()}})

    def _some(self, query: Document) -> list[WorkerStatus]:
        return sorted((_to_status(found) for found in self.collection.find(query)), key=lambda status: status.name)


def _order(before: Document, started_at: datetime) -> WorkerOrder | None:
    order, meant_for = before.get("order"), before.get("order_for")
    is_meant = reading.moment(meant_for) == started_at
    return order if is_meant and reading.one_of(order, get_args(WorkerOrder)) else None


def _to_status(document: Document) -> WorkerStatus:
    """Read what a worker wrote, perhaps with another version of this library, or damaged."""
    state: WorkerState = document["state"] if reading.one_of(document.get("state"), _STATES) else "working"
    return WorkerStatus(
        name=str(document["_id"]),
        host=reading.text(document.get("host")),
        pid=reading.count(document.get("pid")),
        started_at=reading.moment(document.get("started_at")) or EPOCH,
        queues=reading.texts(document.get("queues")),
        threads=reading.count(document.get("threads")),
        busy=reading.count(document.get("busy")),
        version=reading.text(document.get("version")),
        alone=document.get("alone") is True,
        min_priority=_priority(document.get("min_priority")),
        max_priority=_priority(document.get("max_priority")),
        state=state,
        running=_running(document.get("running")),
        memory_bytes=reading.count(document.get("memory_bytes")),
        schedules=reading.texts(document.get("schedules")),
        heartbeat_at=reading.moment(document.get("heartbeat_at")),
        told=_told(document, state),
    )


def _priority(value: Any) -> int | None:
    return int(value) if type(value) in reading.WHOLE and LOWEST_PRIORITY <= value <= HIGHEST_PRIORITY else None


def _told(document: Document, state: WorkerState) -> WorkerOrder | None:
    started_at = reading.moment(document.get("started_at"))
    order = None if started_at is None else _order(document, started_at)
    return None if state == _DONE.get(order or "") or state == "stopping" else order


_DONE: Final = {"quiet": "quiet", "stop": "stopping"}
"""The state of a worker that has done what it was told."""


def _running(found: object) -> tuple[RunningJob, ...]:
    return tuple(
        RunningJob(
            id=shown_id(one.get("id")),
            name=reading.text(one.get("name")),
            queue=reading.text(one.get("queue")),
            since=reading.moment(one.get("since")) or EPOCH,
            progress=Progress.read(said) if type(said := one.get("progress")) is dict else None,
            cancelling=one.get("cancelling") is True,
        )
        for one in reading.documents(found)[:MOST_RUNS_SHOWN]
    )
