"""Short ways to say what a test does with a store."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from mongojobs.core.job import Job
from mongojobs.store.actions.job_actions import JobActions
from mongojobs.store.documents import to_document
from mongojobs.store.jobs import JobStore, QueueSelector
from mongojobs.store.reader.job_reader import JobReader
from mongojobs.testing.memory import MemoryStore

MINUTE = timedelta(minutes=1)


def actions(store: JobStore | MemoryStore) -> JobActions | MemoryStore:
    """Return what people do with the jobs of *store*."""
    return store if isinstance(store, MemoryStore) else JobActions(store.queries)


def reader(store: JobStore) -> JobReader:
    """Return what people are shown of the jobs of *store*."""
    return JobReader(store.queries)


def reserve(
    store: JobStore | MemoryStore, limit: int = 1, *, by: str = "worker", beside: bool = False, **wanted: Any
) -> list[Job]:
    """Reserve up to *limit* of the *wanted* jobs under a fresh token for a minute."""
    return store.reserve(
        QueueSelector(**wanted),
        token=uuid4().hex,
        by=by,
        lease=MINUTE,
        limit=limit,
        beside=beside,
    )


def reserved(store: JobStore | MemoryStore, job: Job, *, by: str = "worker") -> Job:
    """Store *job* and reserve it."""
    store.insert(job)
    [held] = reserve(store, by=by)
    assert held.id == job.id
    return held


def stored(store: JobStore | MemoryStore, job: Job) -> dict[str, object]:
    """Return the document of *job* as it is in the database, or would be."""
    if isinstance(store, MemoryStore):
        found = store.get(job.id)
        assert found is not None
        return to_document(found)
    document = store.collection.find_one({"_id": job.id})
    assert document is not None
    return dict(document)
