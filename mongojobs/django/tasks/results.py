"""From a stored job to the result that Django knows: its status, times, errors and the workers that ran it."""

from __future__ import annotations

import builtins
import dataclasses
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from mongojobs.core.job import CANCELLED, COMPLETED, READY, RUNNING, Job
from mongojobs.core.limits import KEPT_ENTRIES
from mongojobs.django.tasks.framework import Status, TaskError, TaskResult
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.results import why_not_kept

INLINE: Final = "inline"
"""The worker of a task that ran at once, where it was enqueued."""

_STATUS: Final = {READY: Status.READY, RUNNING: Status.RUNNING, COMPLETED: Status.SUCCESSFUL}
_UNKNOWN_ERROR: Final = "mongojobs.JobFailed"
"""The class of what is no exception of the task, as the loss of its worker."""


def result_of(job: Job, task: Any, payloads: Payloads) -> Any:
    """Return what is known of *job*, which is of *task*, as Django's ``TaskResult``. Raises DeserializationError."""
    result = TaskResult(
        task=_as_enqueued(job, task),
        id=str(job.id),
        status=_STATUS.get(job.state, Status.FAILED),
        enqueued_at=_moment(job.created_at),
        started_at=_moment(_first_start(job)),
        finished_at=_moment(job.finished_at),
        last_attempted_at=_moment(_last_start(job)),
        args=payloads.codec.decode(job.handler.get("args")),
        kwargs=payloads.codec.decode(job.handler.get("kwargs")),
        backend=alias_of(job),
        errors=list(_errors(job)),
        worker_ids=list(_workers(job)),
    )
    if job.state == COMPLETED and job.returned is not None and why_not_kept(job.returned) is None:
        object.__setattr__(result, "_return_value", payloads.codec.decode(job.returned["value"]))
    return result


def alias_of(job: Job) -> str:
    """Return the alias of the backend by which *job* was enqueued."""
    return str((job.meta or {}).get("backend", "default"))


def error_of(text: str) -> Any:
    """Return a stored error, ``Type: message`` and traceback, as Django keeps it: by the path of its class."""
    name = re.match(r"\w+", text)
    pattern = re.compile(rf"((?:[\w<>]+\.)*{name[0]})(?:: .*)?") if name else None
    for line in reversed(text.splitlines()[1:]):
        if pattern and (found := pattern.fullmatch(line)):
            path = found[1] if "." in found[1] else f"builtins.{found[1]}"
            return TaskError(exception_class_path=path, traceback=text.partition("\n")[2])
    is_builtin = name is not None and isinstance(getattr(builtins, name[0], None), type)
    path = f"builtins.{name[0]}" if name and is_builtin else _UNKNOWN_ERROR
    return TaskError(exception_class_path=path, traceback=text)


def cancelled_error(job: Job) -> Any:
    """Return why *job* was cancelled, by somebody or by itself, as Django keeps an error."""
    if job.cancellation is None:
        return TaskError(exception_class_path="mongojobs.Discard", traceback=job.last_error or "")
    why = str(job.cancellation.get("why") or "it was cancelled")
    return TaskError(exception_class_path="mongojobs.JobCancelled", traceback=why)


def _errors(job: Job) -> Iterator[Any]:
    for entry in job.errors:
        yield error_of(f"{entry.get('error', '')}\n{entry.get('trace', '')}".rstrip())
    if job.state == CANCELLED:
        yield cancelled_error(job)


def _workers(job: Job) -> Iterator[str]:
    """Yield the worker of each run: of those whose errors are kept no more, nothing but that there was one."""
    first = job.errors[0].get("attempt") if len(job.errors) >= KEPT_ENTRIES else None
    yield from [""] * (first - 1 if isinstance(first, int) else 0)
    yield from (str(entry.get("worker", "")) for entry in job.errors)
    if job.state == RUNNING:
        yield job.locked_by or INLINE
    elif job.state == COMPLETED or (job.state == CANCELLED and job.ran_by is not None):
        yield job.ran_by or INLINE


def _first_start(job: Job) -> datetime | None:
    """Return when the first run started; of several, when it ended, as no more is kept."""
    at = job.errors[0].get("at") if job.errors and (len(job.errors) > 1 or not job.finished_at) else None
    return at if isinstance(at, datetime) else _last_start(job)


def _last_start(job: Job) -> datetime | None:
    if job.state == RUNNING:
        return job.locked_at
    if job.took is not None and job.finished_at is not None:
        return job.finished_at - job.took
    at = job.errors[-1].get("at") if job.errors else None
    return at if isinstance(at, datetime) else None


def _as_enqueued(job: Job, task: Any) -> Any:
    """Return *task* with what *job* has: whatever its backend allows by now, so without asking that."""
    later = (job.meta or {}).get("run_after")
    now = {
        "priority": -job.priority,
        "queue_name": job.queue,
        "run_after": _moment(later) if isinstance(later, datetime) else None,
        "backend": alias_of(job),
    }
    same: Any = object.__new__(type(task))
    for field in dataclasses.fields(task):
        object.__setattr__(same, field.name, now.get(field.name, getattr(task, field.name)))
    return same


def _moment(moment: datetime | None) -> datetime | None:
    """Return *moment* as this project has its times: without a zone where ``USE_TZ`` is off."""
    return moment if moment is None or settings.USE_TZ else timezone.make_naive(moment)
