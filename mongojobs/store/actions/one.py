"""What people do with one job: ``get``, ``cancel``, ``retry``, ``hasten``, ``move``, ``delete``."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pymongo import ReturnDocument

from mongojobs.core.errors import StateError
from mongojobs.core.job import (
    CANCELLED,
    COMPLETED,
    FAILED,
    READY,
    RUNNING,
    Job,
    JobId,
)
from mongojobs.store.actions import changes
from mongojobs.store.base import StoreBase
from mongojobs.store.documents import to_shown_job
from mongojobs.store.filters import one


class Tending(StoreBase):
    """The part of the store for people and their tools; jobs with damaged fields are shown as far as possible.

    All but ``get`` raise StateError if there is no such job, or it is in another state than the change starts from.
    """

    def get(self, job_id: JobId) -> Job | None:
        """Return the job with this id, or None. Raises DatabaseError."""
        found = self.collection.find_one(one(job_id))
        return None if found is None else to_shown_job(found)

    def cancel(self, job_id: JobId) -> Job:
        """Cancel a ready job and return it."""
        found = self._change(job_id, (READY,), changes.cancelled(self.clock.now()))
        return found or self._refuse(job_id, "cancel", _CANCEL_REMEDIES)

    def retry(self, job_id: JobId, *, by: str | None = None, after: timedelta = timedelta(0)) -> Job:
        """Make a failed or cancelled job ready, with all its attempts before it, due *after* a while, and return it.

        Its errors and its fence stay. Who wants it, *by*, is kept with it.
        """
        now = self.clock.now()
        change = changes.retried(now, run_at=now + after, by=by, is_real=self._is_real)
        found = self._change(job_id, (FAILED, CANCELLED), change)
        return found or self._refuse(job_id, "retry", _RETRY_REMEDIES)

    def hasten(self, job_id: JobId) -> Job:
        """Let a ready job be due now, if it is not yet, and return it."""
        found = self._change(job_id, (READY,), {"$min": changes.hastened(self.clock.now())["$set"]})
        return found or self._refuse(job_id, "hasten", _HASTEN_REMEDIES)

    def move(self, job_id: JobId, *, queue: str | None = None, priority: int | None = None) -> Job:
        """Give a ready job another *queue* or *priority* and return it. Raises ValueError for what can be neither."""
        found = self._change(job_id, (READY,), changes.moved(queue=queue, priority=priority))
        return found or self._refuse(job_id, "move", _MOVE_REMEDIES)

    def delete(self, job_id: JobId) -> Job:
        """Delete a job that is not running and return it as it was."""
        found = self.collection.find_one_and_delete(one(job_id) | {"state": {"$ne": RUNNING}}, hint=self._by_id())
        return to_shown_job(found) if found is not None else self._refuse(job_id, "delete", _DELETE_REMEDIES)

    def _change(self, job_id: JobId, states: tuple[str, ...], change: changes.Change) -> Job | None:
        guard = one(job_id) | {"state": {"$in": list(states)}}
        found = self.collection.find_one_and_update(
            guard, change, return_document=ReturnDocument.AFTER, hint=self._by_id()
        )
        return None if found is None else to_shown_job(found)

    def _refuse(self, job_id: JobId, verb: str, remedies: dict[str, str]) -> Job:
        found = self.collection.find_one(one(job_id), {"state": 1})
        if found is None:
            raise StateError(f"no job {job_id}: it never was, or it has completed or been deleted")
        state = str(found.get("state"))
        remedy = remedies.get(state, "look at it with `mongojobs jobs show`")
        raise StateError(f"cannot {verb} the job {job_id}, it is {state}: {remedy}")


_CANCEL_REMEDIES: Final = {
    RUNNING: "it cannot be stopped from outside; wait until it ends",
    COMPLETED: "it is done",
    FAILED: "it will not run again by itself; delete it if it is in the way",
    CANCELLED: "there is nothing to do",
}
_RETRY_REMEDIES: Final = {
    READY: "it will run when it is due",
    RUNNING: "wait until it ends",
    COMPLETED: "enqueue it again if it must run again",
}
_HASTEN_REMEDIES: Final = {
    RUNNING: "it runs",
    COMPLETED: "enqueue it again if it must run again",
    FAILED: "retry it",
    CANCELLED: "retry it",
}
_MOVE_REMEDIES: Final = {
    RUNNING: "wait until it ends",
    COMPLETED: "it is done",
    FAILED: "retry it first",
    CANCELLED: "retry it first",
}
_DELETE_REMEDIES: Final = {RUNNING: "wait until it ends, or stop its worker"}
