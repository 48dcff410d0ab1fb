"""What people do with one job, or with all that a filter matches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from pymongo import ReturnDocument

from mongojobs.core.actions import Verb
from mongojobs.core.errors import StateError
from mongojobs.core.job import CANCELLED, COMPLETED, FAILED, READY, RUNNING, Document, Job, JobId, State
from mongojobs.core.job_filter import JobFilter
from mongojobs.store.actions import changes
from mongojobs.store.actions.sweep import OnProgress, Sweep, clearable
from mongojobs.store.documents import to_shown_job
from mongojobs.store.filters import one
from mongojobs.store.queries import Queries


class JobActions:
    """The verbs of people and their tools; jobs with damaged fields are shown as far as possible.

    The verbs for one job raise StateError if there is no such job, or it is in another state than the change starts
    from. Those whose names end in ``_all`` return how many jobs they changed; they raise FilterError where the filter
    asks for a state that the change does not start from, and DatabaseError, with some of the jobs changed.
    """

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._collection = queries.collection
        self._clock = queries.clock

    def cancel(self, job_id: JobId) -> Job:
        """Cancel a ready job and return it."""
        found = self._change(job_id, (READY,), changes.cancelled(self._clock.now()))
        return found or self._refuse(job_id, "cancel", _CANCEL_REMEDIES)

    def retry(self, job_id: JobId, *, by: str | None = None, after: timedelta = timedelta(0)) -> Job:
        """Make a failed or cancelled job ready, with all its attempts before it, due *after* a while, and return it.

        Its errors and its fence stay. Who wants it, *by*, is kept with it.
        """
        now = self._clock.now()
        change = changes.retried(now, run_at=now + after, by=by, is_real=self._queries.is_real)
        found = self._change(job_id, (FAILED, CANCELLED), change)
        return found or self._refuse(job_id, "retry", _RETRY_REMEDIES)

    def hasten(self, job_id: JobId) -> Job:
        """Let a ready job be due now, if it is not yet, and return it."""
        found = self._change(job_id, (READY,), {"$min": changes.hastened(self._clock.now())["$set"]})
        return found or self._refuse(job_id, "hasten", _HASTEN_REMEDIES)

    def move(self, job_id: JobId, *, queue: str | None = None, priority: int | None = None) -> Job:
        """Give a ready job another *queue* or *priority* and return it. Raises ValueError for what can be neither."""
        found = self._change(job_id, (READY,), changes.moved(queue=queue, priority=priority))
        return found or self._refuse(job_id, "move", _MOVE_REMEDIES)

    def delete(self, job_id: JobId) -> Job:
        """Delete a job that is not running and return it as it was."""
        guard = one(job_id) | {"state": {"$ne": RUNNING}}
        found = self._collection.find_one_and_delete(guard, hint=self._queries.by_id)
        return to_shown_job(found) if found is not None else self._refuse(job_id, "delete", _DELETE_REMEDIES)

    def retry_all(self, chosen: JobFilter, *, by: str | None = None, on_progress: OnProgress | None = None) -> int:
        """Make failed and cancelled jobs ready at once, with all their attempts before them."""
        change = partial(changes.retried, by=by, is_real=self._queries.is_real)
        return self._change_all(chosen, change, "retry", on_progress)

    def cancel_all(self, chosen: JobFilter, *, on_progress: OnProgress | None = None) -> int:
        """Cancel jobs that have not begun."""
        return self._change_all(chosen, changes.cancelled, "cancel", on_progress)

    def hasten_all(self, chosen: JobFilter, *, on_progress: OnProgress | None = None) -> int:
        """Let scheduled jobs be due now."""
        return self._change_all(chosen, changes.hastened, "run_now", on_progress)

    def move_all(
        self,
        chosen: JobFilter,
        *,
        queue: str | None = None,
        priority: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> int:
        """Give jobs that have not begun another *queue* or *priority*. Raises ValueError for what can be neither."""
        change = changes.moved(queue=queue, priority=priority)
        return self._change_all(chosen, lambda _now: change, "move", on_progress)

    def delete_all(self, chosen: JobFilter, *, on_progress: OnProgress | None = None) -> int:
        """Delete jobs that are not running."""
        sweep = Sweep(self._queries, on_progress)
        return sweep.delete(sweep.selections(chosen, "delete"))

    def clear(
        self,
        *,
        queue: str | None = None,
        state: State | None = None,
        older_than: datetime | None = None,
        on_progress: OnProgress | None = None,
    ) -> int:
        """Delete all jobs that match, due or not, but never running ones.

        The age counts from when a job ended, or from when it was due.
        """
        return Sweep(self._queries, on_progress).delete(clearable(self._queries, queue, state, older_than))

    def count_clear(
        self, *, queue: str | None = None, state: State | None = None, older_than: datetime | None = None
    ) -> int:
        """Return how many jobs ``clear`` would delete. Raises DatabaseError."""
        return Sweep(self._queries).count(clearable(self._queries, queue, state, older_than))

    def _change(self, job_id: JobId, states: tuple[str, ...], change: changes.Change) -> Job | None:
        guard = one(job_id) | {"state": {"$in": list(states)}}
        found = self._collection.find_one_and_update(
            guard, change, return_document=ReturnDocument.AFTER, hint=self._queries.by_id
        )
        return None if found is None else to_shown_job(found)

    def _change_all(
        self,
        chosen: JobFilter,
        change: Callable[[datetime], changes.Change],
        verb: Verb,
        on_progress: OnProgress | None,
    ) -> int:
        sweep = Sweep(self._queries, on_progress)
        return sweep.change(sweep.selections(chosen, verb), change(self._clock.now()))

    def _refuse(self, job_id: JobId, verb: str, remedies: dict[str, str]) -> Job:
        found: Document | None = self._collection.find_one(one(job_id), {"state": 1})
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
