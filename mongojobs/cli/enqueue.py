"""``mongojobs enqueue``."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.choosing import parsed_time
from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_app
from mongojobs.cli.shared.options import Command, DurationType, own_option, with_options
from mongojobs.cli.shared.output import iso, json_option, print_json, printable, say
from mongojobs.cli.shared.settings import refuse_without_app

if TYPE_CHECKING:
    from mongojobs.app import MongoJobs
    from mongojobs.core.job import Job
    from mongojobs.payload.calls.handler import Call

LOOK_EVERY_SECONDS: Final = 0.25


class JsonType(click.ParamType):  # type: ignore[type-arg]  # older ones take no argument
    """A JSON list or object."""

    def __init__(self, kind: type, name: str) -> None:
        self.name = name
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the text means."""
        try:
            parsed = json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"must be JSON: {error}, got {value!r}", param, ctx)
        if not isinstance(parsed, self._kind):
            self.fail(f"must be a {self.name} of JSON, got {value!r}", param, ctx)
        return parsed


class TimeType(click.ParamType):  # type: ignore[type-arg]  # older ones take no argument
    """A moment in ISO 8601."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return it as an aware time."""
        return parsed_time(value, lambda message: self.fail(message, param, ctx))


@with_options(
    own_option("--args", text="positional arguments", type=JsonType(list, "list"), default="[]", metavar="JSON"),
    own_option("--kwargs", text="keyword arguments", type=JsonType(dict, "object"), default="{}", metavar="JSON"),
    own_option("--in", "run_in", text="how long it waits before it is due", type=DurationType(), metavar="DURATION"),
    own_option("--at", "run_at", text="when it is due, with a time zone", type=TimeType(), metavar="ISO"),
    own_option("-q", "--queue", text="its queue", metavar="NAME"),
    own_option("--priority", text="its priority; lower runs first", type=int, metavar="N"),
    own_option("--wait", text="wait until it has ended; exit status 1 if it failed", is_flag=True),
    own_option("--timeout", text="how long to wait at most", type=DurationType(), metavar="DURATION"),
    json_option(),
)
@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def enqueue(
    options: GlobalOptions,
    /,
    *,
    name: str,
    args: list[Any],
    kwargs: dict[str, Any],
    wait: bool,
    timeout: timedelta | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Enqueue a job of the app by its NAME.

    That is the one it is declared by, such as myapp.jobs.send_receipt. Of a job class the arguments are what it is made
    of.
    """
    refuse_without_app(options)
    app = open_app(options).app
    job = _enqueue(app, name, args, kwargs, {key: value for key, value in values.items() if value is not None})
    ended = _wait(app, job, timeout) if wait else None
    if as_json:
        print_json(
            {"id": job.id, "name": job.name, "queue": job.queue, "run_at": job.run_at, "state": ended or "ready"}
        )
    else:
        say(f"Enqueued {job.id} {printable(job.name)} in the queue {printable(job.queue)}, due {iso(job.run_at)}")
        if ended is not None:
            say(f"It has {_ENDED[ended]}.")
    if ended not in (None, "completed"):
        raise click.exceptions.Exit(NO)


_ENDED: Final = {"completed": "completed", "failed": "failed", "cancelled": "been cancelled"}


def _enqueue(app: MongoJobs, name: str, args: list[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Job:
    from mongojobs.enqueuing.options import Options

    return app.enqueuer.enqueue(_call(name, args, kwargs), Options.of(options))


def _call(name: str, args: list[Any], kwargs: dict[str, Any]) -> Call:
    """Return the call of the job that is declared under *name*. Raises UnknownJobError, EnqueueError, Failure."""
    from mongojobs.payload.calls.handler import function_call, object_call
    from mongojobs.payload.registry import registry

    declaration = registry.find(name)
    if declaration.kind == "function":
        return function_call(declaration, args, kwargs)
    make: Callable[..., object] = declaration.target
    try:
        return object_call(make(*args, **kwargs))
    except TypeError as error:
        raise Failure(f"cannot make a {declaration.name} of these arguments: {error}", NO) from None


def _wait(app: MongoJobs, job: Job, timeout: timedelta | None) -> str:
    """Return how the job ended: one that is gone has completed, or somebody has deleted it. Raises Failure."""
    until = None if timeout is None else time.monotonic() + timeout.total_seconds()
    while True:
        found = app.get(job.id)
        if found is None:
            return "completed"
        if found.state in _ENDED:
            if found.last_error and found.state != "completed":
                say(printable(found.last_error.splitlines()[0]), err=True)
            return found.state
        if until is not None and time.monotonic() > until:
            raise Failure(f"the job {job.id} is still {found.state}: see `mongojobs jobs why {job.id}`", NO)
        threading.Event().wait(LOOK_EVERY_SECONDS)
