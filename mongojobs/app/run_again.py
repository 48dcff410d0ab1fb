"""Running a job again: its call is enqueued once more, as a new job, perhaps with other arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mongojobs.app.mongojobs import MongoJobs
from mongojobs.core.errors import DeserializationError, StateError
from mongojobs.core.job import ENDED, JOB_OPTIONS, Document, Job
from mongojobs.enqueuing.options import Options
from mongojobs.payload.calls.handler import Payloads

Place = int | str
"""Where an argument is in a stored call: the number of a positional one, the name of a keyword one."""


def run_again(app: MongoJobs, job: Job, *, changed: Mapping[Place, object]) -> Job:
    """Enqueue the call of *job*, which has ended, with the *changed* arguments, and return the new job.

    It is made by the code of this process, from the stored values, as a worker would make it, and checked as every
    enqueue is. The options are those of *job*, but it is due at once. Raises StateError for a
    job that has not ended or whose call cannot be made here, EnqueueError, StoreUnavailableError.
    """
    if job.state not in ENDED:
        raise StateError(f"cannot run the job {job.id} again, it is {job.state}: only one that has ended can")
    try:
        call = app.payloads.load(with_arguments(job.handler, changed, app.payloads))
        meta = None if job.meta is None else app.payloads.codec.decode(dict(job.meta))
    except DeserializationError as error:
        raise StateError(f"cannot run the job {job.id} again: {error}") from error
    options = {name: getattr(job, name) for name in JOB_OPTIONS if name != "run_at"}
    return app.enqueuer.enqueue(call, Options.of(options | {"meta": meta}))


def with_arguments(handler: Mapping[str, Any], changed: Mapping[Place, object], payloads: Payloads) -> Document:
    """Return a stored call with the *changed* arguments. Raises UnstorableValueError."""
    args, kwargs = handler.get("args"), handler.get("kwargs")
    if not changed or not isinstance(args, list) or not isinstance(kwargs, dict):
        return dict(handler)
    encoded = {place: payloads.codec.encode(value, f"argument {place!r}") for place, value in changed.items()}
    return {
        **handler,
        "args": [encoded.get(place, value) for place, value in enumerate(args)],
        "kwargs": {name: encoded.get(name, value) for name, value in kwargs.items()},
    }
