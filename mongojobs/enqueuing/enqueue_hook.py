"""The ``enqueue`` hook of a job object, which may return a changed job, checked like the options of an enqueue."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from mongojobs.core.errors import OptionError
from mongojobs.core.job import FIELDS, JOB_OPTIONS, Job
from mongojobs.enqueuing.options import Options
from mongojobs.payload.calls.invoke import call_hook, run_to_end

_NEEDED: Final = tuple(field.name for field in FIELDS if field.default is dataclasses.MISSING)

Meta = Mapping[str, Any] | None


def hooked(target: object | None, job: Job, encode_meta: Callable[[Options], Meta]) -> Job:
    """Call the ``enqueue`` hook of *target*, a job object, and return the job it wants.

    Raises OptionError for a changed job that no enqueue would have made.
    """
    if not callable(getattr(target, "enqueue", None)):
        return job
    shown = dataclasses.replace(job, handler=copy.deepcopy(job.handler), meta=copy.deepcopy(job.meta))
    changed = call_hook(target, "enqueue", shown, wait=run_to_end)
    if not isinstance(changed, Job):
        return job
    try:
        return dataclasses.replace(job, **_changes(job, changed, encode_meta))
    except OptionError as error:
        raise OptionError(f"the enqueue hook of {type(target).__name__} returned a bad job: {error}") from None


def _changes(job: Job, changed: Job, encode_meta: Callable[[Options], Meta]) -> dict[str, Any]:
    """Return the fields in which *changed* differs from *job*, checked. Raises OptionError."""
    given = {
        field.name: getattr(changed, field.name)
        for field in FIELDS
        if _differ(getattr(job, field.name), getattr(changed, field.name))
    }
    for name, value in given.items():
        if name not in JOB_OPTIONS:
            raise OptionError(f"{name} cannot be changed by a hook: it may change {', '.join(JOB_OPTIONS)}")
        if value is None and name in _NEEDED:
            raise OptionError(f"{name} must not be None")
    options = Options.of(given)
    values = {name: getattr(options, name) for name in given}
    return values | ({"meta": encode_meta(options)} if "meta" in given else {})


def _differ(one: object, other: object) -> bool:
    return type(one) is not type(other) or one != other
