"""``mongojobs.django.Backend``: what ``TASKS`` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from django.apps import apps
from django.conf import settings
from django.core import checks
from django.utils import timezone

from mongojobs.app import default_app
from mongojobs.core.job import Job
from mongojobs.django.tasks import declaring
from mongojobs.django.tasks.framework import BaseTaskBackend, InvalidTaskBackend, TaskResultDoesNotExist, task_enqueued
from mongojobs.django.tasks.known import task_of
from mongojobs.django.tasks.options import OF_ALL, MongoTask, problems
from mongojobs.django.tasks.results import result_of
from mongojobs.django.tasks.runs import plain_json, send


class Backend(BaseTaskBackend):
    """Stores tasks as jobs, and knows their results."""

    task_class = MongoTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self._problems = list(problems(self.options, self.queues))
        self._defaults = {name: self.options.get(name, default) for name, default in OF_ALL.items()}

    def validate_task(self, task: Any) -> None:
        """See that *task* can be run, and let the workers of this process know it. Raises InvalidTask."""
        super().validate_task(task)
        declaring.declare_task(task)

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Store a call of *task* and return its result, which is to come.

        Raises TypeError or ValueError for what JSON has not, ArgumentsError for arguments that do not fit, InvalidTask,
        InvalidTaskBackend, and as ``delay`` does.
        """
        if self._problems:
            raise InvalidTaskBackend(f"the tasks backend {self.alias!r}: {self._problems[0]}")
        self.validate_task(task)
        job = declaring.enqueue(task, plain_json(list(args)), plain_json(dict(kwargs)), self._job_options(task))
        result = result_of(job, task, default_app().payloads)
        if not job.duplicate:
            send(task_enqueued, result)
        return result

    def get_result(self, result_id: str) -> Any:
        """Return the result with this id. Raises TaskResultDoesNotExist, StoreUnavailableError."""
        job = _found(result_id)
        task = None if job is None else task_of(job)
        if job is None or task is None:
            raise TaskResultDoesNotExist(result_id)
        return result_of(job, task, default_app().payloads)

    def check(self, **_given: Any) -> Iterator[checks.CheckMessage]:
        """Tell what is wrong with the settings of this backend."""
        for problem in self._problems:
            yield checks.Error(f"the tasks backend {self.alias!r}: {problem}", id="mongojobs.E002")
        if not apps.is_installed("mongojobs.django"):
            hint = "add it to INSTALLED_APPS"
            yield checks.Error("the tasks backend needs mongojobs.django", hint=hint, id="mongojobs.E003")

    def _job_options(self, task: Any) -> dict[str, Any]:
        of_all = {name: value for name, value in self._defaults.items() if getattr(task, name, None) is None}
        run_after = _aware(task.run_after)
        later = {} if run_after is None else {"run_at": run_after}
        meta = {"backend": self.alias, **({} if run_after is None else {"run_after": run_after})}
        return {**of_all, **later, "meta": meta, "queue": task.queue_name, "priority": -int(task.priority)}


def _found(result_id: object) -> Job | None:
    """Return the job whose id is written so; ids of tasks are made by us."""
    if not isinstance(result_id, str) or not ObjectId.is_valid(result_id):
        return None
    return default_app().get(ObjectId(result_id))


def _aware(moment: datetime | None) -> datetime | None:
    """Return *moment* with a zone, which it need not have where ``USE_TZ`` is off."""
    if moment is None or settings.USE_TZ or timezone.is_aware(moment):
        return moment
    aware: datetime = timezone.make_aware(moment)
    return aware
