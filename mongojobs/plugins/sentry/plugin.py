"""What Sentry hears of jobs: the plugin."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Final, TypeVar

import sentry_sdk
from sentry_sdk import scope as scopes

from mongojobs.core import notices as n
from mongojobs.core.clock import SystemClock
from mongojobs.core.errors import MongoJobsError
from mongojobs.core.job import Job, JobId
from mongojobs.core.lifecycle import Lifecycle, Plugin
from mongojobs.plugins.sentry import spans
from mongojobs.plugins.sentry.checkins import CheckIns
from mongojobs.plugins.sentry.failures import Faults, event_of
from mongojobs.plugins.sentry.spans import JobSpan, headers_of

T = TypeVar("T")

_OWN_EVENTS: Final = ("job.errored", "job.failed", "job.crashed", "job.stuck", "job.rescued", "job.quarantined")
"""The lines of our log about what the plugin itself tells Sentry."""
AFTER_SECONDS: Final = 2.9
"""How long after the ``shutdown_timeout`` the last events are sent: a tenth of a second is left for the exit."""
LONGEST_FLUSH: Final = 2.0
SHORTEST_FLUSH: Final = 0.1

_current: ContextVar[JobSpan | None] = ContextVar("mongojobs_sentry_span", default=None)
"""The span of the run that this code is in; one that is none in a job that runs where it is enqueued."""


class SentryPlugin(Plugin):
    """``mongojobs.configure(plugins=[SentryPlugin])``, in the web process and in the worker.

    A job that is given up on becomes one event. With *retries*, each failed run does; with *schedules*, each schedule
    has a monitor.
    """

    def __init__(self, *, retries: bool = False, schedules: bool = False) -> None:
        self._tells_retries = retries
        self._faults = Faults()
        self._lifecycle = Lifecycle()
        self._checkins = CheckIns(self._due) if schedules else None
        self._leave_by: float | None = None

    def register(self, lifecycle: Lifecycle) -> None:
        """Wrap enqueues, runs and the lives of workers, and listen for the ends of jobs."""
        self._lifecycle = lifecycle
        lifecycle.around("enqueue", self._publish)
        lifecycle.around("perform", self._perform)
        lifecycle.around("invoke_job", self._invoke)
        lifecycle.around("execute", self._live)
        lifecycle.before("error", self._note_error)
        lifecycle.before("failure", self._note_error)
        lifecycle.before("cancelled", self._note_cancelled)
        lifecycle.on_notice(self._hear, n.RunEnded, n.JobLost)
        lifecycle.on_notice(self._hear_of_others, n.JobStarted, n.WorkerStopping, n.JobRescued, n.JobQuarantined)
        if _drop_own_line not in scopes.global_event_processors:
            scopes.add_global_event_processor(_drop_own_line)

    def problem(self) -> tuple[str, str] | None:
        """Say so if nothing can be sent from this process."""
        if not _is_on():
            return (
                "sentry_sdk.init was not called, so nothing is sent",
                "call it in the module that configures mongojobs",
            )
        if not sentry_sdk.get_client().dsn:
            return "the SDK has no DSN, so nothing is sent", "set SENTRY_DSN, or give dsn to sentry_sdk.init"
        return None

    def _due(self, schedule: str) -> tuple[str | timedelta, str] | None:
        return self._lifecycle.answers.due(schedule)

    def _publish(self, proceed: Callable[[], T], job: Job) -> T:
        if not _is_on():
            return proceed()
        with spans.publishing(job) as span, _inside(JobSpan()):
            if job.schedule is None:  # a worker's own trace would join all that it ever enqueues
                job.carry({spans.META_KEY: spans.headers_here()})
            made = proceed()
            span.describe(made if isinstance(made, Job) else job)
            return made

    def _perform(self, proceed: Callable[[], T], worker: object, job: Job) -> T:
        if not _is_on():
            return proceed()
        with _scope(job, str(worker)):
            if _has_children(worker):  # the span is made there, so that those of the job's code are inside of it
                return proceed()
            with spans.processing(job) as span, _inside(span):
                return proceed()

    def _invoke(self, proceed: Callable[[], T], job: Job) -> T:
        """In a child of a worker, do what is done around the run elsewhere."""
        if not _is_on() or _current.get() is not None:
            return proceed()
        with _scope(job, job.locked_by or ""), spans.processing(job) as span, _inside(span):
            waited = (SystemClock().now() - job.run_at).total_seconds()
            span.put({spans.LATENCY: max(waited * 1000, 0.0)})
            return proceed()

    def _live(self, proceed: Callable[[], T], _worker: object) -> T:
        """Send what waits before the worker ends, in what is left of the time that a stop may take."""
        try:
            return proceed()
        finally:
            left = LONGEST_FLUSH if self._leave_by is None else self._leave_by - time.monotonic()
            sentry_sdk.flush(timeout=max(min(left, LONGEST_FLUSH), SHORTEST_FLUSH))

    def _note_error(self, _worker: object, job: Job) -> None:
        if _is_on():
            (_current.get() or JobSpan()).end_as("internal_error")
            self._faults.keep(job)

    def _note_cancelled(self, _worker: object, _job: Job) -> None:
        (_current.get() or JobSpan()).end_as("cancelled")

    def _hear(self, notice: n.Notice) -> None:
        """Tell of the end of a run, which is stored now, or lost."""
        match notice:
            case n.JobErrored(given_up=True) | n.JobCrashed(given_up=True):
                return  # the notice of that comes next
            case n.JobFailed(worker, job, reason, error, trace):
                self._send(job, worker, error=error, trace=trace, reason=reason)
            case n.JobErrored(worker, job, error=error, trace=trace) if self._tells_retries:
                self._send(job, worker, error=error, trace=trace)
            case n.JobCrashed(worker, job, error=error, trace=trace) if self._tells_retries:
                self._send(job, worker, error=error, trace=trace)
            case n.JobErrored(job=job) | n.JobLost(job=job) | n.JobCancelled(job=job):
                self._faults.take(job)
            case _:
                pass
        if self._checkins is not None and _is_on():
            self._checkins.hear(notice)

    def _hear_of_others(self, notice: n.Notice) -> None:
        match notice:
            case n.JobStarted(job=job, waited=waited):
                (_current.get() or JobSpan()).put({spans.LATENCY: waited * 1000})
                if self._checkins is not None and _is_on():
                    self._checkins.begin(job)
            case n.JobRescued(job_id=job_id, locked_by=lost_by, losses=losses, failed=True):
                self._send_of(job_id, lost_by, f"its worker was lost, {losses} times by now")
            case n.JobQuarantined(worker, job_id, reason):
                self._send_of(job_id, worker, reason)
            case n.WorkerStopping(seconds=seconds):
                self._leave_by = time.monotonic() + seconds + AFTER_SECONDS
            case _:
                pass

    def _send(self, job: Job, worker: str, *, error: str, trace: str = "", reason: str = "") -> None:
        """Send the error of a run: as it was raised here, or else as it is told."""
        fault = self._faults.take(job)
        if fault is not None:
            fault.send()
        elif _is_on():
            with _scope(job, worker) as scope:
                scope.generate_propagation_context(headers_of(job))
                scope.capture_event(event_of(name=job.name, error=error, trace=trace, reason=reason))

    def _send_of(self, job_id: JobId, worker: str, reason: str) -> None:
        """Send that a job without a run here is given up on."""
        if not _is_on():
            return
        try:
            job = self._lifecycle.answers.get(job_id)
        except MongoJobsError:  # who hears of it all the same may look for the id
            job = None
        if job is not None:
            self._send(job, worker, error="", reason=reason)
            if self._checkins is not None:
                self._checkins.fail(job)
        else:
            with sentry_sdk.isolation_scope() as scope:
                scope.set_tags({"worker": worker, "job_id": str(job_id)})
                scope.capture_event(event_of(name=f"the job {job_id}", error="", trace="", reason=reason))


def _is_on() -> bool:
    """Whether the app has called ``sentry_sdk.init``."""
    return sentry_sdk.get_client().is_active()


def _has_children(worker: object) -> bool:
    return getattr(getattr(worker, "settings", None), "executor", "") == "process"


@contextmanager
def _scope(job: Job, worker: str) -> Iterator[Any]:
    """Be in a scope of the run of *job* alone."""
    with sentry_sdk.isolation_scope() as scope:
        scope.clear_breadcrumbs()
        scope.set_transaction_name(job.name, source="task")
        scope.set_tags({"job": job.name, "queue": job.queue, "attempt": str(job.attempts + 1)})
        scope.set_tags({"worker": worker, "job_id": str(job.id)})
        yield scope


@contextmanager
def _inside(span: JobSpan) -> Iterator[None]:
    token = _current.set(span)
    try:
        yield
    finally:
        _current.reset(token)


def _drop_own_line(event: Any, hint: Any) -> Any:
    """Leave out what the SDK makes of a line of our log: the plugin tells of the same by itself."""
    record = hint.get("log_record")
    is_own = isinstance(record, logging.LogRecord) and record.name == "mongojobs"
    return None if is_own and getattr(record, "event", "") in _OWN_EVENTS else event
