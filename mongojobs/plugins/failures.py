"""Telling the app of each job that is given up on, however that came about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mongojobs.core.job import Job, JobId
from mongojobs.core.lifecycle import Lifecycle, Plugin
from mongojobs.core.notices import JobFailed, JobQuarantined, JobRescued, Notice
from mongojobs.core.words.naming import public

Hook = Callable[["Failure"], object]


@public
@dataclass(frozen=True, slots=True)
class Failure:
    """A job that was given up on, as ``configure(on_failure=...)`` is told of it.

    *reason* says why it will not run again. *error* is that of its last run, in a line, and *trace* its traceback, both
    empty if nothing was raised; secrets are masked. *job* is as it was before that run, or as it is stored.
    """

    job: Job
    reason: str
    error: str
    trace: str
    worker: str


class FailurePlugin(Plugin):
    """Calls what *find_hook* returns, if anything, with each failure; *get* reads a job of which the id is known."""

    def __init__(self, find_hook: Callable[[], Hook | None], get: Callable[[JobId], Job | None]) -> None:
        self._find_hook = find_hook
        self._get = get

    def register(self, lifecycle: Lifecycle) -> None:
        """Listen for all ends by which a job is given up on."""
        lifecycle.on_notice(self._hear, JobFailed, JobRescued, JobQuarantined)

    def _hear(self, notice: Notice) -> None:
        hook = self._find_hook()
        if hook is not None and (failure := self._failure(notice)) is not None:
            hook(failure)

    def _failure(self, notice: Notice) -> Failure | None:
        match notice:
            case JobFailed(worker, job, reason, error, trace):
                return Failure(job, reason, error, trace, worker)
            case JobRescued(failed=True) | JobQuarantined():
                stored = self._get(notice.job_id)
                return None if stored is None else Failure(stored, stored.last_error or "", "", "", notice.worker)
            case _:
                return None
