"""``mongojobs enqueue``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.jobs.printing import print_value
from mongojobs.cli.shared.choosing import parsed_time
from mongojobs.cli.shared.failures import NO
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_app
from mongojobs.cli.shared.options import Command, DurationType, ParamType, own_option, with_options
from mongojobs.cli.shared.output import json_option, print_json, say
from mongojobs.cli.shared.settings import refuse_without_app
from mongojobs.core.fields import kind_of
from mongojobs.core.words.wording import iso, printable
from mongojobs.enqueuing.options import OPTIONS, Options

if TYPE_CHECKING:
    from mongojobs.core.job import Job
    from mongojobs.payload.calls.handler import Call


class JsonType(ParamType):
    """A JSON list or object."""

    def __init__(self, kind: type, name: str) -> None:
        self.name = name
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed value."""
        try:
            parsed = json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"must be JSON: {error}, got {value!r}", param, ctx)
        if not isinstance(parsed, self._kind):
            self.fail(f"must be a JSON {self.name}, got {value!r}", param, ctx)
        return parsed


class TimeType(ParamType):
    """A moment in ISO 8601."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return an aware time."""
        return parsed_time(value, lambda message: self.fail(message, param, ctx))


FLAGS: Final = tuple(field for field in fields(Options) if field.name not in ("session", "unique"))
"""The options of an enqueue that can be typed."""

_TYPES_BY_KIND: Final[Mapping[str, Mapping[str, Any]]] = {
    "str": {"metavar": "TEXT"},
    "JobId": {"metavar": "ID"},
    "int": {"type": int, "metavar": "N"},
    "Bytes": {"metavar": "SIZE"},
    "timedelta": {"type": DurationType(), "metavar": "DURATION"},
    "datetime": {"type": TimeType(), "metavar": "ISO"},
    "Mapping[str, Any]": {"type": JsonType(dict, "object"), "metavar": "JSON"},
    "tuple[str, ...]": {"multiple": True, "metavar": "TEXT"},
}
"""The flag type for an option, by its annotation."""


def flag_of(field: Field[Any]) -> click.Option:
    """Return the flag of an option of an enqueue."""
    option, kind = OPTIONS[field.name], dict(_TYPES_BY_KIND[kind_of(field)])
    if option.metavar:
        kind["metavar"] = option.metavar
    spellings = option.flags or (f"--{field.name.replace('_', '-')}",)
    text = f"{option.text}; may be repeated" if "multiple" in kind else option.text
    return own_option(*spellings, field.name, text=text, **kind)


def argument_flags(*, args: str | None = "[]", kwargs: str | None = "{}") -> list[click.Option]:
    """Return the flags of the arguments of a job, with their defaults."""
    return [
        own_option("--args", text="positional arguments", type=JsonType(list, "list"), default=args, metavar="JSON"),
        own_option("--kwargs", text="keyword arguments", type=JsonType(dict, "object"), default=kwargs, metavar="JSON"),
    ]


@with_options(
    *argument_flags(),
    *map(flag_of, FLAGS),
    own_option(
        "--wait",
        text="wait until it has ended, and print its result if that is kept; exit status 1 if it failed",
        is_flag=True,
    ),
    own_option("--timeout", text="longest time to wait", type=DurationType()),
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

    NAME is the one it is declared under, such as myapp.jobs.send_receipt. A job class takes the arguments of its
    constructor.
    """
    refuse_without_app(options)
    app = open_app(options).app
    job = app.enqueuer.enqueue(call_named(name, args, kwargs), Options.of(values))
    ended = _ended(job, timeout) if wait else None
    if as_json:
        _print_as_json(job, ended)
    else:
        _print(job, ended)
    if ended is not None and ended.state != "completed":
        raise click.exceptions.Exit(NO)


def _print_as_json(job: Job, ended: Job | None) -> None:
    facts = {name: getattr(job, name) for name in ("id", "name", "queue", "run_at", "duplicate")}
    print_json(facts | {"state": (ended or job).state, "result": _returned(ended).get("value")})


def _print(job: Job, ended: Job | None) -> None:
    what = f"Already {job.state}:" if job.duplicate else "Enqueued"
    say(f"{what} {job.id} {printable(job.name)} in the queue {printable(job.queue)}, due {iso(job.run_at)}")
    if ended is not None:
        say(f"It has {_ENDED[ended.state]}.")
    if "value" in _returned(ended):
        print_value(_returned(ended)["value"])


def _returned(ended: Job | None) -> Mapping[str, Any]:
    return (ended and ended.returned) or {}


_ENDED: Final = {"completed": "completed", "failed": "failed", "cancelled": "been cancelled"}


def call_named(name: str, args: list[Any], kwargs: dict[str, Any]) -> Call:
    """Return the call of the job declared as *name*. Raises EnqueueError."""
    from mongojobs.payload.calls.handler import declared_call
    from mongojobs.payload.registry import registry

    return declared_call(registry.named(name), args, kwargs)


def _ended(job: Job, timeout: timedelta | None) -> Job:
    """Return *job* as it has ended, after saying what went wrong; one that is gone has completed or been deleted."""
    from mongojobs.payload.results import why_not_kept

    ended = job.wait(timeout) or replace(job, state="completed")
    problem = ended.last_error if ended.state != "completed" else ended.returned and why_not_kept(ended.returned)
    if problem:
        say(printable(problem.splitlines()[0]), err=True)
    return ended
