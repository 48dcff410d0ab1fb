"""The values that apply to one run of a job, in the order of ``payload.precedence``.

A job object may have ``max_attempts``, ``max_run_time``, ``destroy_failed_jobs`` and ``reschedule_at``, as methods or
as attributes. Source: delayed_job. One that raises or returns nonsense is reported and ignored, so that no job is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from mongojobs.core.calling import ran
from mongojobs.core.clock import truncate
from mongojobs.core.job import Job
from mongojobs.core.retry import delay_after, with_jitter
from mongojobs.core.settings import Settings
from mongojobs.payload.calls.handler import Call
from mongojobs.payload.precedence import applying
from mongojobs.payload.registry import Declaration

T = TypeVar("T")
Tell = Callable[[str, Exception], None]
"""Called with the name of an override that failed, and its error."""


class Overrides:
    """The values that apply to *job*; *call* is None while its payload is not loaded."""

    def __init__(
        self, job: Job, call: Call | None, declaration: Declaration | None, settings: Settings, tell: Tell
    ) -> None:
        self._job = job
        self._job_object = call.job_object if call else None
        self._declaration = declaration
        self._settings = settings
        self._tell = tell

    def max_attempts(self) -> int:
        """Return the number of failures after which the job is given up on."""
        return self._applying("max_attempts", self._job.max_attempts or None)

    def max_run_time(self) -> timedelta:
        """Return how long the job may run; its own limit may exceed the setting, as its lease is renewed meanwhile."""
        return self._applying("max_run_time", self._job.max_run_time or None)

    def destroy_failed_jobs(self) -> bool:
        """Return whether the job is deleted when it is given up on."""
        return self._applying("destroy_failed_jobs", None)

    def next_run(self, now: datetime) -> datetime:
        """Return when the job runs again after one more failure at *now*."""
        attempts = self._job.attempts + 1
        wanted = self._of_object("reschedule_at", truncate, now, attempts)
        if wanted is not None:
            return wanted
        declared = self._declaration.backoff if self._declaration else None
        delay = self._guarded("backoff", lambda: delay_after(attempts, declared))
        if delay is None:
            delay = delay_after(attempts)
        return truncate(now + with_jitter(delay, share=self._settings.retry_jitter))

    def _applying(self, name: str, given: T | None) -> T:
        ask = None if self._job_object is None else self._of_object
        return applying(name, given, ask=ask, declaration=self._declaration, settings=self._settings)

    def _of_object(self, name: str, parse: Callable[[Any], T], *arguments: object) -> T | None:
        if self._job_object is None:
            return None
        return self._guarded(name, lambda: _parsed(name, parse, self._ask(name, *arguments)))

    def _ask(self, name: str, *arguments: object) -> object:
        value = getattr(self._job_object, name, None)
        return ran(name, value(*arguments)) if callable(value) else value

    def _guarded(self, name: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except Exception as error:  # noqa: BLE001 - an override of the app's may raise anything
            self._tell(name, error)
            return None


def _parsed(name: str, check: Callable[[Any], T], value: Any) -> T | None:
    try:
        return None if value is None else check(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}, got {value!r:.200}") from None
