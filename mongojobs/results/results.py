"""What one who holds a job may ask: how it is now, that it has ended, and what it returned."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final

from mongojobs.core.actions import no_job
from mongojobs.core.errors import (
    JobCancelled,
    JobFailed,
    MongoJobsError,
    ResultNotKeptError,
    ResultTimeoutError,
    StoreUnavailableError,
)
from mongojobs.core.inside.home import Timeout
from mongojobs.core.job import CANCELLED, ENDED, FAILED, Job
from mongojobs.core.words.wording import by_whom
from mongojobs.payload.results import WHERE, kept_value
from mongojobs.payload.values.codec import Codec
from mongojobs.results.waiting import AsyncWaiter, Deadline, Waiter, Waiters
from mongojobs.store.faults import DatabaseError, is_too_slow, unavailable
from mongojobs.store.time_limits import time_limit

LEAST_LOOK_SECONDS: Final = 1.0
"""How long the database may take for the first look, even if less time is given."""


class Results:
    """Answers for the jobs of one app; threads and tasks may share it.

    *get* returns a job as it is now, None if it is gone; *waiters* wakes those who wait.
    """

    def __init__(self, get: Callable[[Job], Job | None], codec: Codec, waiters: Waiters) -> None:
        self._get = get
        self._codec = codec
        self._waiters = waiters

    def refresh(self, job: Job) -> Job:
        """Return *job* as it is now. Raises NoSuchJobError, StoreUnavailableError."""
        found = self._look(job)
        if found is None:
            raise no_job(job.id)
        return found

    def wait(self, job: Job, timeout: Timeout) -> Job | None:
        """Wait until *job* has ended, and return it; None if it is gone. Raises as the method of ``Job`` says."""
        deadline = Deadline(timeout)
        with self._waiters.waiting(Waiter(job)) as waiter:
            while (found := self._look(job, deadline)) is not None and found.state not in ENDED:
                if not waiter.wait(deadline.left()):
                    raise self._late(found)
        return found

    async def _await_end(self, job: Job, deadline: Deadline) -> Job | None:
        """Do as ``wait`` without blocking the event loop."""
        with self._waiters.waiting(AsyncWaiter(job)) as waiter:
            while (found := await asyncio.to_thread(self._look, job, deadline)) and found.state not in ENDED:
                if not await waiter.wait(deadline.left()):
                    raise self._late(found)
        return found

    def result(self, job: Job, timeout: Timeout) -> Any:
        """Return what *job* returned, once it has ended. Raises as the method of ``Job`` says."""
        return self._loaded(self.stored_result(job, timeout))

    def stored_result(self, job: Job, timeout: Timeout) -> Any:
        """Return the same in stored form, which needs no code of the app; it raises as ``result``."""
        _refuse_without_result(job)
        return _value_of(job, self.wait(job, timeout))

    async def aresult(self, job: Job, timeout: Timeout) -> Any:  # noqa: ASYNC109 - the same call as result
        """Do as ``result`` without blocking the event loop; in a thread it loads the value, which may be a document."""
        _refuse_without_result(job)
        value = _value_of(job, await self._await_end(job, Deadline(timeout)))
        return await asyncio.to_thread(self._loaded, value)

    def _loaded(self, value: object) -> Any:
        return self._codec.decode(value, where=WHERE)

    def _look(self, job: Job, deadline: Deadline | None = None) -> Job | None:
        """Return *job* as it is now, whatever session the caller has bound. Raises StoreUnavailableError."""
        left = None if deadline is None else deadline.left()

        def look() -> Job | None:
            with nullcontext() if left is None else time_limit(max(left, LEAST_LOOK_SECONDS)):
                return self._get(job)

        try:
            found = contextvars.Context().run(look)
        except DatabaseError as error:
            raise _unavailable(error) from error
        return None if found is None else found.stay(self)

    def _late(self, found: Job) -> MongoJobsError:
        if (trouble := self._waiters.trouble) is not None:
            return _unavailable(trouble)
        return ResultTimeoutError(
            f"{found} has not ended in time, it is {found.state}: see `mongojobs jobs why {found.id}`",
            job_id=found.id,
            state=found.state,
        )


def _refuse_without_result(job: Job) -> None:
    if job.keep_result is None:
        raise ResultNotKeptError(
            f"{job} does not keep its result: declare it with @job(keep_result='1d'), or enqueue it with"
            " .options(keep_result='1d')",
            job_id=job.id,
        )


def _value_of(job: Job, ended: Job | None) -> Any:
    """Return in stored form what *job* returned, which has *ended* so. Raises as ``result``."""
    if ended is None:
        raise no_job(job.id)
    if ended.returned is None:
        raise _without_result(ended)
    return kept_value(ended)


def _without_result(job: Job) -> MongoJobsError:
    """Return the error for one who wants the result of *job*, which has ended without any."""
    if job.state == CANCELLED:
        said = job.cancellation or {"why": job.last_error}
        reason, by = str(said.get("why") or ""), str(said.get("by") or "")
        return JobCancelled(f"{job} was cancelled{by_whom(said)}", job_id=job.id, reason=reason, by=by)
    if job.state == FAILED:
        last = job.errors[-1] if job.errors else {"error": job.last_error}
        error, trace = str(last.get("error") or ""), str(last.get("trace") or "")
        return JobFailed(f"{job} failed: {error}", job_id=job.id, error=error, trace=trace)
    return ResultNotKeptError(f"{job} was completed by a worker that knows no results: update it", job_id=job.id)


def _unavailable(error: Exception) -> StoreUnavailableError:
    if is_too_slow(error):
        return StoreUnavailableError("the database is not available: it did not answer within the timeout")
    return unavailable(error)
