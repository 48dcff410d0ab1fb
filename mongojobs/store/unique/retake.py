"""A retry by a person: the job takes its unique key again, which must be free.

While it had ended, another job may have taken the key. Then the retry is refused, naming that job; or the job to
retry is dropped, and counted as a call merged into the other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from pymongo.errors import DuplicateKeyError

from mongojobs.core.actions import RETRY
from mongojobs.core.errors import KeyHeldError
from mongojobs.core.job import Document, Job, JobId
from mongojobs.store.clients import Jobs, Session
from mongojobs.store.documents import to_shown_job, to_update
from mongojobs.store.filters import one
from mongojobs.store.queries import Queries
from mongojobs.store.unique.answers import MERGED, damage_of_holder, is_over

T = TypeVar("T")

PLAIN: Final[Document] = {"unique_digest": {"$exists": False}}
KEYED: Final[Document] = {"unique_digest": {"$exists": True}}
_RETRIED: Final[Document] = {"state": {"$in": sorted(RETRY.stored_states)}}


class Retaking:
    """Asks for keys, and settles who has one."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._collection = queries.collection

    def key(self, job_id: JobId) -> str | None:
        """Return the key that the job had; None if it is not unique."""
        found = self._collection.find_one(one(job_id), {"unique_digest": 1})
        key = None if found is None else found.get("unique_digest")
        return key if isinstance(key, str) else None

    def retaken(self, job_id: JobId, key: str, write: Callable[[], T | None], *, merge: bool) -> T | Document | None:
        """Return the result of *write*, which gives the job its *key* again; with *merge*, else the job that holds it.

        Raises KeyHeldError where another job does.
        """
        while True:
            holder = self._holder(key) if not self._queries.is_real else None
            if holder is None:
                try:
                    return write()
                except DuplicateKeyError:
                    holder = self._holder(key)
            if holder is None or free(self._collection, holder, self._queries.clock.now()):
                continue
            if not merge:
                raise refused(job_id, holder)
            return self._drop(job_id, holder)

    def _drop(self, job_id: JobId, holder: Job) -> Document | None:
        if not self._collection.delete_one(one(job_id) | _RETRIED, hint=self._queries.by_id).deleted_count:
            return None
        self._collection.update_one(one(holder.id), to_update(MERGED), hint=self._queries.by_id)
        return self._collection.find_one(one(holder.id))

    def _holder(self, key: str) -> Job | None:
        """Return the job that holds *key*. Raises KeyHeldError if no write could recognise it."""
        found = self._collection.find_one({"unique_key": {"$eq": key}})
        if found is None:
            return None
        holder = to_shown_job(found)
        if damage := damage_of_holder(holder, found):
            problem = f"another job holds the unique key of the one to retry, and {damage}"
            raise KeyHeldError(problem, holder_id=holder.id)
        return holder


def free(jobs: Jobs, holder: Job, now: datetime, *, session: Session | None = None) -> bool:
    """Take the key from *holder* if it no longer has a right to it; return whether it did not."""
    if not is_over(holder, now):
        return False
    guard = one(holder.id) | {"unique_key": {"$eq": holder.unique_key}, "state": holder.state}
    if holder.expires_at is not None:
        guard["expires_at"] = holder.expires_at
    jobs.update_one(guard, {"$unset": {"unique_key": ""}}, session=session)
    return True


def refused(job_id: JobId, holder: Job) -> KeyHeldError:
    """Return the error that a job cannot be retried because *holder* holds its key."""
    return KeyHeldError(
        f"cannot retry the job {job_id}: the job {holder.id}, which is {holder.state}, holds its unique key"
        f" {holder.unique_text!r}; wait until it ends, or drop this one with `mongojobs jobs retry --merge {job_id}`",
        holder_id=holder.id,
    )
