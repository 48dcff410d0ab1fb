"""One run of a task, from the signal that it has started to the one that it has finished.

Their sender is the class of the backend, and they are sent in the thread or process that runs the task. A receiver that
raises is logged by Django, and changes nothing. When a task is given up on, that is known to the worker alone.
"""

from __future__ import annotations

import dataclasses
import json
import traceback
from typing import Any

from django.utils import timezone

from mongojobs.app import MongoJobs, default_app
from mongojobs.core.errors import Discard, StateError
from mongojobs.core.job import RUNNING, Job, current_job
from mongojobs.core.notices import JobRescued
from mongojobs.django.tasks.framework import (
    Status,
    TaskContext,
    TaskError,
    normalize_json,
    task_finished,
    task_started,
)
from mongojobs.django.tasks.known import task_of
from mongojobs.django.tasks.results import cancelled_error, error_of, result_of
from mongojobs.payload.registry import full_name


class TaskRun:
    """One run of a *task*, in the code of its job: told that it starts, what it returned, or that it gave itself up."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self._result: Any = None

    def start(self) -> None:
        """Send the signal that it has started. Raises StateError outside of a job."""
        job = current_job()
        if job is None:
            raise StateError(f"{self._task.module_path} is not running as a job: call the task with .call()")
        self._result = result_of(dataclasses.replace(job, state=RUNNING), self._task, default_app().payloads)
        send(task_started, self._result)

    @property
    def context(self) -> tuple[Any, ...]:
        """The argument that goes first: its context for a task that takes one."""
        return (TaskContext(task_result=self._result),) if self._task.takes_context else ()

    def returned(self, value: object) -> object:
        """Return *value* as it is kept, and send the signal, unless it was cancelled: then an event comes.

        Raises TypeError or ValueError for what JSON has not.
        """
        kept, job = plain_json(value), current_job()
        if job is None or job.cancellation is None:
            object.__setattr__(self._result, "_return_value", kept)
            finish(self._result, Status.SUCCESSFUL)
        return kept

    def gave_up(self, error: Discard) -> None:
        """Send the signal for a task that gives itself up, which no event tells of."""
        self._result.errors.append(_error(error))
        finish(self._result, Status.FAILED)


def plain_json(value: object) -> Any:
    """Return *value* as JSON keeps it, by Django's rules. Raises TypeError, ValueError."""
    return json.loads(json.dumps(normalize_json(value)))


def send(signal: Any, result: Any) -> None:
    """Send one of the three signals about *result*."""
    signal.send_robust(type(result.task.get_backend()), task_result=result)


def finish(result: Any, status: Any) -> None:
    """Note that *result* has this *status* from now on, and send the signal."""
    object.__setattr__(result, "status", status)
    object.__setattr__(result, "finished_at", timezone.now())
    send(task_finished, result)


def tell_of_ends(app: MongoJobs) -> None:
    """Send the signal for tasks that are given up on, cancelled while they run, or lost once too often."""
    app.lifecycle.before("failure", lambda _worker, job: _tell_failure(app, job))
    app.lifecycle.before("cancelled", lambda _worker, job: _tell_cancelled(app, job))
    app.lifecycle.on_notice(lambda notice: _tell_lost(app, notice), JobRescued)


def _tell_failure(app: MongoJobs, job: Job) -> None:
    _tell_ended(app, job, error_of(job.last_error or ""))


def _tell_cancelled(app: MongoJobs, job: Job) -> None:
    _tell_ended(app, job, cancelled_error(job))


def _tell_ended(app: MongoJobs, job: Job, error: Any) -> None:
    """Tell of the end of a job that is stored as running so far, with its last *error*."""
    if (task := task_of(job)) is not None:
        result = result_of(job, task, app.payloads)
        result.errors.append(error)
        finish(result, Status.FAILED)


def _tell_lost(app: MongoJobs, notice: Any) -> None:
    job = app.get(notice.job_id) if notice.failed or notice.cancelled else None
    if job is not None and (task := task_of(job)) is not None:
        send(task_finished, result_of(job, task, app.payloads))


def _error(error: Any) -> Any:
    trace = "".join(traceback.format_exception(error))
    return TaskError(exception_class_path=full_name(type(error)), traceback=trace)
