"""What people do with one job, or with all jobs that match a filter."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from mongojobs.core.actions import Action
from mongojobs.core.job import RUNNING, Document, Job, JobId, State
from mongojobs.core.job_filter import JobFilter
from mongojobs.store.actions.sweep import OnProgress, Sweep, clearable
from mongojobs.store.documents import to_shown_job, to_update
from mongojobs.store.filters import one
from mongojobs.store.queries import Queries


class JobActions:
    """The verbs of ``core.actions``, and ``clear``; damaged fields are shown as well as possible."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._collection = queries.collection
        self._clock = queries.clock

    def act(self, action: Action, job_id: JobId, **given: Any) -> Job:
        """Do *action* with one job and return the job as changed, or as it was if it is gone.

        Raises StateError if there is no such job, or it is in another state than the action starts from, OptionError
        for a bad value among what is *given*, and DatabaseError.
        """
        change = action.change(self._clock.now(), **given)
        if change.deletes:
            found = self._delete(job_id)
        else:
            found = self._update(job_id, action, to_update(change, is_real=self._queries.is_real))
        if found is None:
            raise action.refusal(job_id, self._state(job_id))
        return to_shown_job(found)

    def act_on_all(
        self, action: Action, job_filter: JobFilter, *, on_progress: OnProgress | None = None, **given: Any
    ) -> int:
        """Do *action* with all jobs that match; return how many were changed.

        Raises FilterError where the filter asks for a state that the action does not start from, OptionError, and
        DatabaseError, with some of the jobs changed.
        """
        change = action.change(self._clock.now(), **given)
        sweep = Sweep(self._queries, on_progress)
        selections = sweep.selections(action.among(job_filter))
        if change.deletes:
            return sweep.delete(selections)
        return sweep.change(selections, to_update(change, is_real=self._queries.is_real))

    def clear(
        self,
        *,
        queue: str | None = None,
        state: State | None = None,
        older_than: datetime | None = None,
        on_progress: OnProgress | None = None,
    ) -> int:
        """Delete all jobs that match, due or not, except running ones.

        The age counts from when a job ended, or from when it was due.
        """
        return Sweep(self._queries, on_progress).delete(clearable(self._queries, queue, state, older_than))

    def count_clear(
        self, *, queue: str | None = None, state: State | None = None, older_than: datetime | None = None
    ) -> int:
        """Return how many jobs ``clear`` would delete. Raises DatabaseError."""
        return Sweep(self._queries).count(clearable(self._queries, queue, state, older_than))

    def _update(self, job_id: JobId, action: Action, update: Document | list[Document]) -> Document | None:
        guard = one(job_id) | {"state": {"$in": sorted(action.stored_states)}}
        found: Document | None = self._collection.find_one_and_update(
            guard, update, return_document=ReturnDocument.AFTER, hint=self._queries.by_id
        )
        return found

    def _delete(self, job_id: JobId) -> Document | None:
        """Delete a job that is not running, even one in an unknown state."""
        guard = one(job_id) | {"state": {"$ne": RUNNING}}
        found: Document | None = self._collection.find_one_and_delete(guard, hint=self._queries.by_id)
        return found

    def _state(self, job_id: JobId) -> str | None:
        found = self._collection.find_one(one(job_id), {"state": 1})
        return None if found is None else str(found.get("state"))
