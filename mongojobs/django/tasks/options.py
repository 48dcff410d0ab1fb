"""What ``OPTIONS`` of the backend may say of all tasks, and a task of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final

from mongojobs.core.checks import queue_name
from mongojobs.core.errors import OptionError
from mongojobs.django.tasks.framework import Task
from mongojobs.enqueuing.options import checked

OF_ALL: Final[Mapping[str, object]] = {"keep_result": "1d", "max_attempts": None, "max_run_time": None}
"""The options that are for each task, with their defaults: a result must be kept to be asked for."""
_KNOWN: Final = ("database", *OF_ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MongoTask(Task):
    """A task that may say what other jobs declare: ``@task(max_attempts=3, unique="order_id")``.

    Django 6.0 passes nothing on, so there ``OPTIONS`` must say it, of all tasks.
    """

    max_attempts: int | None = None
    max_run_time: timedelta | float | str | None = None
    keep_result: timedelta | float | str | None = None
    retry_on: Any = None
    discard_on: Any = None
    backoff: timedelta | float | str | Callable[[int], Any] | None = None
    sensitive: Any = None
    unique: Any = None
    unique_for: timedelta | float | str | None = None
    unique_until: str | None = None
    on_duplicate: str | None = None
    debounce: timedelta | float | str | None = None
    throttle: str | None = None


_OWN: Final = tuple(one.name for one in fields(MongoTask) if one.name not in {base.name for base in fields(Task)})


def declared_of(task: Any) -> dict[str, Any]:
    """Return what *task* declares of itself; a task of another backend declares nothing."""
    return {name: value for name in _OWN if (value := getattr(task, name, None)) is not None}


def problems(options: Mapping[str, object], queues: set[object]) -> Iterator[str]:
    """Yield what is wrong with the ``OPTIONS`` and ``QUEUES`` of a backend, in words."""
    for name, value in options.items():
        if name not in _KNOWN:
            near = get_close_matches(name, _KNOWN, n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            yield f"unknown option {name!r}{hint} The options are {', '.join(_KNOWN)}"
        elif name in OF_ALL and value is not None:
            try:
                checked(name, value)
            except OptionError as error:
                yield str(error)
    for queue in sorted(queues, key=repr):
        try:
            queue_name(queue)
        except ValueError as error:
            yield f"QUEUES has {queue!r:.100}: a name {error}"
