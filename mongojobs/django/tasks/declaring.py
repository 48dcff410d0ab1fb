"""Declaring tasks as jobs, so that workers know them by name, and run nothing that is not declared.

A job of a task has the name of its function, ``shop.tasks.send``; it is declared when the task is made.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from asgiref.sync import sync_to_async

from mongojobs.core.errors import Discard, NotAJobError, OptionError, RegistrationError
from mongojobs.core.job import Job
from mongojobs.django.tasks.framework import InvalidTask
from mongojobs.django.tasks.known import tasks
from mongojobs.django.tasks.options import declared_of
from mongojobs.django.tasks.runs import TaskRun
from mongojobs.enqueuing.declarations import declare
from mongojobs.enqueuing.functions import Delayer
from mongojobs.enqueuing.options import NO_OPTIONS
from mongojobs.payload.registry import registry


def declare_task(task: Any) -> None:
    """Let workers run *task*; what ``using`` made of it is the same job. Raises InvalidTask."""
    known = tasks.get(task.module_path)
    if known is not None and known.func is task.func:
        return
    try:
        registry.add(declare(_body(task), "function", declared_of(task)))
    except (NotAJobError, OptionError, RegistrationError) as error:
        raise InvalidTask(f"{task.module_path}: {error}") from error
    tasks[task.module_path] = task


def enqueue(task: Any, args: list[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]) -> Job:
    """Store a call of *task* as a job. Raises as ``delay`` does."""
    declaration = registry.find(task.module_path)
    return Delayer(declaration, NO_OPTIONS.with_changes(options)).delay(*args, **kwargs)


def _body(task: Any) -> Any:
    """Return the function that runs *task* as a job; its arguments are those of the task, without the context."""

    @functools.wraps(task.func)
    def perform(*args: Any, **kwargs: Any) -> Any:
        run = TaskRun(task)
        run.start()
        try:
            value = task.func(*run.context, *args, **kwargs)
        except Discard as error:
            run.gave_up(error)
            raise
        return run.returned(value)

    @functools.wraps(task.func)
    async def perform_async(*args: Any, **kwargs: Any) -> Any:
        run = TaskRun(task)
        await sync_to_async(run.start)()  # receivers may ask a database, which Django refuses on an event loop
        try:
            value = await task.func(*run.context, *args, **kwargs)
        except Discard as error:
            await sync_to_async(run.gave_up)(error)
            raise
        return await sync_to_async(run.returned)(value)

    body: Any = perform_async if inspect.iscoroutinefunction(task.func) else perform
    signature = inspect.signature(task.func)
    visible = list(signature.parameters.values())[1 if task.takes_context else 0 :]
    body.__signature__ = signature.replace(parameters=visible)
    del body.__wrapped__  # it takes the same arguments, but for the context
    return body
