"""The change streams of workers and of those who wait, on replica sets and sharded clusters (see ``topology``)."""

from __future__ import annotations

import contextlib
import threading
from datetime import datetime
from typing import Any, Final

from pymongo.errors import PyMongoError

from mongojobs.core.job import CANCELLED, FAILED, READY, Document, JobId
from mongojobs.store.clients import Jobs, confirmed_handle
from mongojobs.store.filters import EPOCH, QueueSelector, one, wanted_ready
from mongojobs.store.reading import aware

AWAIT_MILLISECONDS: Final = 30_000
END_AWAIT_MILLISECONDS: Final = 250
LOG_AWAIT_MILLISECONDS: Final = 1_000
"""How long a silence is; at the end of a short one, who listens may look for something else."""


class _Stream:
    """What happens to *jobs* that the *pipeline* picks out, from the moment it is opened.

    The server picks. Raises DatabaseError when made.
    """

    def __init__(self, jobs: Jobs, pipeline: list[dict[str, Any]], milliseconds: int | None = None) -> None:
        self._closed = threading.Event()
        silence = milliseconds or AWAIT_MILLISECONDS
        self._changes = confirmed_handle(jobs).watch(pipeline, max_await_time_ms=silence)

    def _next_event(self) -> Document | None:
        """Return the next event; None after a long silence, or after ``close``.

        Raises DatabaseError when the stream is broken for good; make a new one then.
        """
        if self._closed.is_set():
            return None
        try:
            event = self._changes.try_next()
        except PyMongoError:
            if self._closed.is_set():
                return None
            raise
        if event is None and not self._changes.alive and not self._closed.is_set():
            raise PyMongoError("the change stream has ended: the collection was dropped or renamed")
        return event

    def close(self) -> None:
        """End the stream; a ``next`` waiting in another thread returns at once."""
        self._closed.set()
        with contextlib.suppress(PyMongoError):  # the server forgets a stream that nobody reads
            self._changes.close()


class JobStream(_Stream):
    """Jobs as they become ready.

    An event of an update carries only the changed fields, so those of queues and priorities that are not wanted come
    too; after every event the worker looks for itself.
    """

    def __init__(self, jobs: Jobs, wanted: QueueSelector) -> None:
        super().__init__(jobs, _pipeline(wanted))

    def next(self) -> datetime | None:
        """Return the ``run_at`` of a job that became ready; None after a long silence, or after ``close``.

        Where the event does not say when the job is due, it is due now, and the time returned lies in the past.
        Raises DatabaseError when the stream is broken for good.
        """
        event = self._next_event()
        return None if event is None else _run_at(event)


class _IdStream(_Stream):
    """The ids of jobs."""

    def next(self) -> JobId | None:
        """Return the id of the next job; None after a silence, or after ``close``.

        Raises DatabaseError when the stream is broken for good.
        """
        event = self._next_event()
        return None if event is None else event["documentKey"]["_id"]


class CancelStream(_IdStream):
    """Running jobs as people cancel them."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(jobs, _CANCELLED)


class EndStream(_IdStream):
    """Jobs as they end with a result, or without one since they failed or were cancelled; its silences are short."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(jobs, _ENDED, END_AWAIT_MILLISECONDS)


class LogStream(_Stream):
    """New lines of the log of one job, in the collection *logs*; its silences last a second."""

    def __init__(self, logs: Jobs, job_id: JobId) -> None:
        new = {"operationType": {"$in": ["insert", "replace"]}} | one(job_id, field="fullDocument.job_id")
        super().__init__(logs, [{"$match": new}, {"$project": {"documentKey": 1}}], LOG_AWAIT_MILLISECONDS)

    def next(self) -> bool:
        """Return whether there are new lines; False after a silence, or after ``close``.

        Raises DatabaseError when the stream is broken for good.
        """
        return self._next_event() is not None


_CANCELLED: Final[list[dict[str, Any]]] = [
    {
        "$match": {
            "operationType": "update",
            "updateDescription.updatedFields.cancellation": {"$exists": True},
            "updateDescription.updatedFields.state": {"$exists": False},
        }
    },
    {"$project": {"documentKey": 1}},
]
_ENDED: Final[list[dict[str, Any]]] = [
    {
        "$match": {
            "operationType": "update",
            "$or": [
                {"updateDescription.updatedFields.returned": {"$exists": True}},
                {"updateDescription.updatedFields.state": {"$in": [FAILED, CANCELLED]}},
            ],
        }
    },
    {"$project": {"documentKey": 1}},
]


def _pipeline(wanted: QueueSelector) -> list[dict[str, Any]]:
    """Return the server's part: select the events, and send only what ``_run_at`` reads."""
    inserted = {f"fullDocument.{field}": value for field, value in wanted_ready(wanted).items()}
    events = [
        {"operationType": {"$in": ["insert", "replace"]}, **inserted},
        {"operationType": "update", "updateDescription.updatedFields.state": READY},
    ]
    fields = {"fullDocument.run_at": 1, "updateDescription.updatedFields.run_at": 1}
    return [{"$match": {"$or": events}}, {"$project": fields}]


def _run_at(event: Document) -> datetime:
    changed = event.get("fullDocument") or event.get("updateDescription", {}).get("updatedFields", {})
    moment = changed.get("run_at")
    return aware(moment) if isinstance(moment, datetime) else EPOCH
