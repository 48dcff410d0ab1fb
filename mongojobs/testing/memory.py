"""The queue of ``fake`` mode: jobs in memory that live by the rules of ``store.jobs``, on a clock that can be moved."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import bson
from bson.codec_options import CodecOptions

from mongojobs.core.clock import Clock, truncate
from mongojobs.core.errors import ConfigurationError
from mongojobs.core.job import CANCELLED, COMPLETED, FAILED, READY, RUNNING, Document, ErrorText, Job, JobId, State
from mongojobs.core.limits import KEPT_ENTRIES
from mongojobs.core.settings import Settings
from mongojobs.store.base import SETTLE, UNLOCK
from mongojobs.store.documents import LONGEST_ERROR, cut, error_entry, last_error, to_document, to_job
from mongojobs.store.jobs import QueueSelector
from mongojobs.store.lifecycle.end import deferred

_AS_STORED: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


class MovableClock:
    """Another clock's time, and how far a test has moved it."""

    def __init__(self, base: Callable[[], Clock]) -> None:
        self._base = base
        self.moved = timedelta(0)

    def now(self) -> datetime:
        """Return the moved time."""
        return truncate(self._base().now() + self.moved)


class MemoryStore:
    """The methods of ``JobStore`` that enqueueing, a run and the helpers use; threads may share it.

    Jobs go through BSON on their way in, so that what comes out is what a database would give back. There are no
    indexes, sessions and leases.
    """

    def __init__(self, clock: Clock, settings: Callable[[], Settings]) -> None:
        self.clock = clock
        self._settings = settings
        self._jobs: dict[JobId, Job] = {}
        self._changing = threading.RLock()

    @property
    def collection(self) -> Any:
        """Refuse, as there is none. Raises ConfigurationError."""
        raise ConfigurationError(
            "in fake mode jobs are kept in memory, so there is no collection to query: use"
            " mongojobs.testing.enqueued_jobs(), or mode('real')"
        )

    def insert(self, job: Job, *, session: Any = None) -> bool:  # noqa: ARG002 - memory takes part in no transaction
        """Keep a new job; False if its id is there already."""
        with self._changing:
            if job.id in self._jobs:
                return False
            self._jobs[job.id] = stored(job)
            return True

    def insert_many(self, jobs: Sequence[Job], *, session: Any = None) -> None:
        """Keep new jobs."""
        for job in jobs:
            self.insert(job, session=session)

    def get(self, job_id: JobId) -> Job | None:
        """Return the job with this id, or None."""
        return self._jobs.get(job_id)

    def count_queued(self, queue: str, *, limit: int) -> int:
        """Return how many jobs of *queue* are ready, at most *limit*."""
        with self._changing:
            return min(sum(job.state == READY and job.queue == queue for job in self._jobs.values()), limit)

    def find(self, *, state: State, limit: int) -> list[Job]:
        """Return jobs in *state*, those due last first; all of them if *limit* is 0."""
        with self._changing:
            found = [job for job in self._jobs.values() if job.state == state]
        found.sort(key=lambda job: job.run_at)
        return found[-limit:][::-1]

    def reserve(self, wanted: QueueSelector, *, token: str, by: str, lease: timedelta) -> list[Job]:
        """Lock the most urgent due job under *token*, and return it in a list; nothing if none is due."""
        now = self.clock.now()
        with self._changing:
            due = [job for job in self._jobs.values() if _is_reservable(job, wanted, now)]
            if not due:
                return []
            job = min(due, key=lambda job: (job.priority, job.run_at))
            locked = dataclasses.replace(
                job,
                state=RUNNING,
                fence=job.fence + 1,
                locked_at=now,
                locked_by=by,
                locked_until=now + lease,
                lock_token=token,
            )
            self._jobs[job.id] = locked
            return [locked]

    def finish(self, jobs: Sequence[Job], *, repeated: bool = False) -> list[Job]:  # noqa: ARG002 - nothing gets lost
        """Delete *jobs*, or keep them as completed where the settings or a given id ask for it."""
        return [job for job in jobs if not self._finish(job)]

    def reschedule(self, job: Job, *, error: ErrorText, run_at: datetime, repeated: bool = False) -> bool:  # noqa: ARG002
        """Make *job*, which failed, ready again at *run_at*."""
        changes = self._with_error(job, error)
        return self._end(job, state=READY, run_at=run_at, **changes)

    def fail(self, job: Job, *, error: ErrorText, destroy: bool = False, repeated: bool = False) -> bool:  # noqa: ARG002
        """Give up on *job*, or delete it if *destroy* is set."""
        if destroy and not job.id_given:
            return self._delete_held(job)
        now, changes = self.clock.now(), self._with_error(job, error)
        if destroy:
            changes["expire_at"] = now + self._settings().job_id_retention
        return self._end(job, state=FAILED, failed_at=now, finished_at=now, **changes)

    def snooze(self, job: Job, *, run_at: datetime, repeated: bool = False) -> bool:  # noqa: ARG002
        """Make *job* ready again at *run_at*, as it asked."""
        return self._end(job, state=READY, run_at=run_at, snoozes=job.snoozes + 1)

    def defer(self, job: Job, *, reason: str, run_at: datetime, repeated: bool = False) -> bool:  # noqa: ARG002
        """Make *job*, which cannot be loaded here, ready again at *run_at*."""
        change = deferred(job, reason=reason, run_at=run_at, now=self.clock.now()).change["$set"]
        return self._end(job, **change)

    def discard(self, job: Job, *, reason: str, repeated: bool = False) -> bool:  # noqa: ARG002
        """Cancel *job*, as it asked."""
        return self._end(job, state=CANCELLED, finished_at=self.clock.now(), last_error=cut(reason, LONGEST_ERROR))

    def release(self, jobs: Iterable[Job], *, started: bool) -> list[Job]:
        """Hand back *jobs* that were not ended."""
        return [job for job in jobs if not self._end(job, UNLOCK, state=READY, releases=job.releases + started)]

    def delete(self, job_id: JobId) -> Job:
        """Delete a job and return it."""
        with self._changing:
            return self._jobs.pop(job_id)

    def _finish(self, job: Job) -> bool:
        settings = self._settings()
        retention = settings.keep_completed
        if job.id_given:
            retention = max(settings.job_id_retention, retention or timedelta(0))
        if retention is None:
            return self._delete_held(job)
        now = self.clock.now()
        return self._end(job, state=COMPLETED, finished_at=now, expire_at=now + retention)

    def _with_error(self, job: Job, error: ErrorText) -> dict[str, Any]:
        attempt = job.attempts + 1
        entry = error_entry(error, at=self.clock.now(), attempt=attempt, worker=job.locked_by)
        return {"attempts": attempt, "last_error": last_error(error), "errors": (*job.errors, entry)[-KEPT_ENTRIES:]}

    def _end(self, job: Job, settled: Iterable[str] = SETTLE, **changes: Any) -> bool:
        """Change *job* and take away its lock; False, and nothing changed, if it does not hold it any more."""
        changes = {**dict.fromkeys(settled), **changes}
        with self._changing:
            if not self._is_held(job):
                return False
            self._jobs[job.id] = dataclasses.replace(self._jobs[job.id], **changes)
            return True

    def _delete_held(self, job: Job) -> bool:
        with self._changing:
            return self._is_held(job) and self._jobs.pop(job.id) is not None

    def _is_held(self, job: Job) -> bool:
        found = self._jobs.get(job.id)
        return found is not None and found.state == RUNNING and found.lock_token == job.lock_token


def stored(job: Job) -> Job:
    """Return *job* as a database gives it back: through BSON."""
    return to_job(through_bson(to_document(job)))


def through_bson(document: Document) -> Document:
    """Return *document* as the driver would, after it was stored."""
    return bson.decode(bson.encode(document), _AS_STORED)


def _is_reservable(job: Job, wanted: QueueSelector, now: datetime) -> bool:
    return job.state == READY and job.run_at <= now and (not wanted.queues or job.queue in wanted.queues)
