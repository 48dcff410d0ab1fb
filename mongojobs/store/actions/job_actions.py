"""What people do with one job, or with all jobs that match a filter."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pymongo import ReturnDocument

from mongojobs.core.actions import Action, Changed
from mongojobs.core.change import Change
from mongojobs.core.errors import KeyHeldError, StateError, StoreUnavailableError
from mongojobs.core.job import RUNNING, Document, Job, JobId, State
from mongojobs.core.job_filter import JobFilter
from mongojobs.store.actions.sweep import OnProgress, Sweep, clearable
from mongojobs.store.documents import to_shown_job, to_update
from mongojobs.store.faults import DatabaseError, is_too_slow
from mongojobs.store.filters import merged, one
from mongojobs.store.logs.log_store import logs_of
from mongojobs.store.queries import Queries
from mongojobs.store.unique.retake import KEYED, Retaking

LONGEST_WAIT_MILLISECONDS: Final = 10_000
"""How long to wait for a job whose transaction is being committed: a moment, unless its worker dies just then."""


class JobActions:
    """The verbs of ``core.actions``, and ``clear``; damaged fields are shown as well as possible."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._collection = queries.collection
        self._clock = queries.clock
        self._retaking = Retaking(queries)

    def act(self, action: Action, job_id: JobId, **given: Any) -> Job:
        """Do *action* with one job and return the job as changed, or as it was if it is gone.

        Raises StateError if there is no such job, or it is in another state than the action starts from, OptionError
        for a bad value among what is *given*, and DatabaseError.
        """
        key = self._retaking.key(job_id) if action.takes_key else None
        fields = _without_merge(given) | ({} if key is None else {"key": key})
        change = action.change(self._clock.now(), **fields)
        if change.deletes:
            found = self._delete(job_id)
        elif key is None:
            found = self._update(job_id, action, change)
        else:
            found = self._retaking.retaken(
                job_id, key, lambda: self._update(job_id, action, change), merge=given.get("merge", False)
            )
        if found is None:
            raise action.refusal(job_id, self._state(job_id))
        return dataclasses.replace(to_shown_job(found), duplicate=found["_id"] != job_id)

    def act_on_all(
        self, action: Action, job_filter: JobFilter, *, on_progress: OnProgress | None = None, **given: Any
    ) -> Changed:
        """Do *action* with all jobs that match; return how many were changed.

        Raises FilterError where the filter asks for a state that the action does not start from, OptionError, and
        DatabaseError, with some of the jobs changed.
        """
        change = action.change(self._clock.now(), **_without_merge(given))
        sweep = Sweep(self._queries, on_progress)
        selections = sweep.selections(action.among(job_filter))
        if change.deletes:
            return Changed(sweep.delete(selections))
        update = to_update(change, is_real=self._queries.is_real)
        if not action.takes_key:
            return Changed(sweep.change(selections, update))
        held = dropped = 0

        def apart(guard: Document) -> int:
            nonlocal held, dropped
            retaken = self._retake_each(action, guard, given)
            held += retaken.held
            dropped += retaken.dropped
            return retaken

        return Changed(sweep.change(selections, update, apart=apart), held=held, dropped=dropped)

    def _retake_each(self, action: Action, guard: Document, given: Mapping[str, Any]) -> Changed:
        """Retry those that match and need their unique keys again, one by one; return how many had them free."""
        number = held = dropped = 0
        for found in self._queries.find(merged(guard, KEYED), {"_id": 1}, index="_id_"):
            try:
                is_dropped = self.act(action, found["_id"], **given).duplicate
            except KeyHeldError:
                held += 1
            except StateError:  # somebody else has changed it meanwhile
                continue
            else:
                dropped += is_dropped
                number += not is_dropped
        return Changed(number, held=held, dropped=dropped)

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

    def _update(self, job_id: JobId, action: Action, change: Change) -> Document | None:
        update = to_update(change, is_real=self._queries.is_real)
        guard = one(job_id) | {"state": {"$in": sorted(action.stored_states)}}
        is_bounded = RUNNING in action.stored_states and self._queries.is_real
        limit: dict[str, Any] = {"maxTimeMS": LONGEST_WAIT_MILLISECONDS} if is_bounded else {}
        try:
            found: Document | None = self._collection.find_one_and_update(
                guard, update, return_document=ReturnDocument.AFTER, hint=self._queries.by_id, **limit
            )
        except DatabaseError as error:
            if not is_bounded or not is_too_slow(error):
                raise
            raise _is_ending(job_id) from error
        return found

    def _delete(self, job_id: JobId) -> Document | None:
        """Delete a job that is not running, even one in an unknown state."""
        guard = one(job_id) | {"state": {"$ne": RUNNING}}
        found: Document | None = self._collection.find_one_and_delete(guard, hint=self._queries.by_id)
        if found is not None and found.get("keep_log") is not None:
            logs_of(self._queries).forget([job_id])
        return found

    def _state(self, job_id: JobId) -> str | None:
        found = self._collection.find_one(one(job_id), {"state": 1})
        return None if found is None else str(found.get("state"))


def _is_ending(job_id: JobId) -> StoreUnavailableError:
    """Return the error that the end of the job is written in a transaction, and not committed for a long time."""
    return StoreUnavailableError(
        f"the job {job_id} is about to end in a transaction of its own, and its worker does not go on: try again in a"
        " minute, when the server has undone that"
    )


def _without_merge(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is *given* but for what is to happen if the key of a job is taken, which changes nothing in it."""
    return {name: value for name, value in given.items() if name != "merge"}
