"""What applies to one job: its own value, its job object's, its declaration's, or the setting; the first that is given.

A job object may have ``max_attempts``, ``max_run_time``, ``destroy_failed_jobs`` and ``reschedule_at``, as methods or
as attributes. Source: delayed_job. One that raises or gives nonsense is told and passed over, so that no job is lost.
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
from mongojobs.core.words.durations import parse_duration
from mongojobs.payload.calls.handler import Call
from mongojobs.payload.registry import Declaration

T = TypeVar("T")
Tell = Callable[[str, Exception], None]
"""Called with the name of an override that failed, and how."""


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
        """Return after how many failures the job is given up on."""
        declared = self._declaration.max_attempts if self._declaration else None
        return (
            self._job.max_attempts or self._of_object("max_attempts", _count) or declared or self._settings.max_attempts
        )

    def max_run_time(self) -> timedelta:
        """Return how long the job may run; its own limit may exceed the setting, as its lease is renewed meanwhile."""
        declared = self._declaration.max_run_time if self._declaration else None
        own = self._job.max_run_time or self._of_object("max_run_time", _limit)
        return own or declared or self._settings.max_run_time

    def destroy_failed_jobs(self) -> bool:
        """Return whether the job is deleted when it is given up on."""
        own = self._of_object("destroy_failed_jobs", bool)
        declared = self._declaration.destroy_failed_jobs if self._declaration else None
        return next((value for value in (own, declared) if value is not None), self._settings.destroy_failed_jobs)

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

    def _of_object(self, name: str, parse: Callable[[Any], T], *arguments: object) -> T | None:
        if self._job_object is None:
            return None
        return self._guarded(name, lambda: _parsed(parse, self._ask(name, *arguments)))

    def _ask(self, name: str, *arguments: object) -> object:
        value = getattr(self._job_object, name, None)
        return ran(name, value(*arguments)) if callable(value) else value

    def _guarded(self, name: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except Exception as error:  # noqa: BLE001 - an override of the app's may raise anything
            self._tell(name, error)
            return None


def _parsed(parse: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else parse(value)


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"max_attempts must be 1 or more, got {value!r}")
    return value


def _limit(value: object) -> timedelta:
    try:
        limit = parse_duration(value)
    except ValueError as error:
        raise ValueError(f"max_run_time {error}, got {value!r:.200}") from None
    if limit <= timedelta(0):
        raise ValueError(f"max_run_time must be more than 0, got {value!r:.200}")
    return limit
