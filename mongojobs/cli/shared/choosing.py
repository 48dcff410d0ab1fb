"""Choosing jobs by flags, and changing all of them: counted, confirmed, and with progress shown."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.options import ParamType, own_option
from mongojobs.cli.shared.output import confirm, say
from mongojobs.core.words.wording import counted

if TYPE_CHECKING:
    from mongojobs.app.operations import Operator
    from mongojobs.core.job import Job, JobId
    from mongojobs.core.job_filter import JobFilter
    from mongojobs.store.actions.sweep import OnProgress
    from mongojobs.store.jobs import JobStore

STATES: Final = ("ready", "scheduled", "running", "failed", "cancelled", "completed")
FIELDS: Final = (
    "state",
    "queue",
    "name",
    "priority",
    "tag",
    "worker",
    "error",
    "key",
    "schedule",
    "since",
    "until",
    "arguments",
)


class MomentType(ParamType):
    """A moment: how long ago, such as 2h, or a date with time and zone."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta | datetime:
        """Return a duration into the past, or an aware time."""
        from mongojobs.core.words.durations import parse_duration

        if isinstance(value, timedelta | datetime):
            return value
        try:
            return parse_duration(value)
        except ValueError:
            return parsed_time(value, lambda message: self.fail(message, param, ctx))


class ArgumentType(ParamType):
    """A place in a job's arguments, and the value there."""

    name = "argument"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Return place and value: a number, true, false or null as in JSON, a value as a page shows it, or text."""
        from mongojobs.core.errors import FilterError
        from mongojobs.core.searching.typed import read_typed

        place, sign, text = value.partition("=")
        if not sign:
            self.fail(f"must be KEY=VALUE, such as order_id=7, got {value!r}", param, ctx)
        try:
            return place, read_typed(text)
        except FilterError as error:
            self.fail(str(error), param, ctx)


def parsed_time(text: str, fail: Callable[[str], Any]) -> datetime:
    """Return the time that *text* gives in ISO 8601; call *fail* if it has no zone, as it is ambiguous then."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"must be a duration such as 2h, or a time such as 2026-11-23T10:00:00Z, got {text!r}")
        raise AssertionError from None
    if moment.tzinfo is None:
        fail(f"must have a zone, such as {text}Z or {text}+01:00")
    return moment


def yes_option() -> click.Option:
    """Return the flag of all commands that delete or change jobs."""
    return own_option("-y", "--yes", text="do not ask for confirmation", is_flag=True)


def filter_options() -> list[click.Option]:
    """Return the flags that choose jobs."""
    return [
        own_option("--state", text="only jobs in this state", type=click.Choice(STATES)),
        own_option("-q", "--queue", text="only jobs of this queue", metavar="NAME"),
        own_option("--name", text="only jobs of exactly this name", metavar="NAME"),
        own_option(
            "--priority", text="only jobs of this priority", type=click.IntRange(-(2**31), 2**31 - 1), metavar="N"
        ),
        own_option("--tag", text="only jobs with this tag", metavar="TAG"),
        own_option("--worker", text="only jobs that this worker runs, or ran", metavar="NAME"),
        own_option("--error", text="only jobs with this text in their last error", metavar="TEXT"),
        own_option("--key", text="only unique jobs with this key, such as order_id=7", metavar="KEY"),
        own_option("--schedule", text="only jobs of this schedule", metavar="NAME"),
        own_option(
            "--since", text="only jobs created since then: 2h ago, or a time", type=MomentType(), metavar="WHEN"
        ),
        own_option("--until", text="only jobs created before then", type=MomentType(), metavar="WHEN"),
        own_option(
            *("--arg", "arguments"),
            text="only jobs with this argument: order_id=7, 0=7 for the first one, target=ID for that of a document",
            type=ArgumentType(),
            multiple=True,
            metavar="KEY=VALUE",
        ),
    ]


def job_filter_of(values: Mapping[str, Any], now: datetime) -> JobFilter:
    """Return the filter that the flags describe."""
    from mongojobs.core.job_filter import JobFilter

    given: dict[str, Any] = {field: values.get(field) for field in FIELDS if values.get(field) not in (None, ())}
    for field in ("since", "until"):
        if isinstance(given.get(field), timedelta):
            given[field] = now - given[field]
    return JobFilter(**given)


def current_user() -> str:
    """Return the name of this machine's user, who may have none, as in many containers."""
    with suppress(KeyError, OSError, ImportError):
        return getpass.getuser()
    return "somebody"


def is_any_given(values: Mapping[str, Any]) -> bool:
    """Whether any flag chooses some of the jobs."""
    return any(values.get(field) not in (None, ()) for field in FIELDS)


def sweep(number: int, act: Callable[[OnProgress], int], *, question: str, done: str, yes: bool, dry_run: bool) -> None:
    """Let *act* change *number* jobs after the *question*; report how many were *done*, or left. Raises Failure."""
    from mongojobs.core.actions import dropped_for_their_keys, left_for_their_keys

    if number == 0:
        say("There are no such jobs.")
        return
    if dry_run:
        say(f"This would affect {counted(number, 'job')}; nothing was changed.")
        return
    confirm(question, yes=yes, declined="nothing was changed")
    with progress(number, done) as on_progress:
        changed = act(on_progress)
    say(f"{done} {counted(changed, 'job')}.")
    if held := getattr(changed, "held", 0):
        say(f"{left_for_their_keys(held)}.", err=True)
    if dropped := getattr(changed, "dropped", 0):
        say(f"{dropped_for_their_keys(dropped)}.", err=True)


def report_running(operator: Operator, job_filter: JobFilter) -> None:
    """Report how many matching jobs are running and were left alone."""
    running = operator.count(replace(job_filter, state="running"))
    if running.number:
        what = "matching job is running, and was" if running.number == 1 else "matching jobs are running, and were"
        say(f"{running} {what} left alone.", err=True)


def look_up(store: JobStore, text: str) -> Job:
    """Return the job with the id *text*: as ObjectId, text or number. Raises Failure."""
    from mongojobs.core.actions import no_job

    for job_id in possible_ids(text):
        job = store.get(job_id)
        if job is not None:
            return job
    raise Failure(str(no_job(text)), NO)


def possible_ids(text: str) -> list[JobId]:
    """Return the ids that *text* can mean: an ObjectId, a text, a number."""
    from bson import ObjectId

    ids: list[JobId] = [ObjectId(text)] if ObjectId.is_valid(text) else []
    ids.append(text)
    if text.removeprefix("-").isdecimal() and len(text) < 20:
        ids.append(int(text))
    return ids


@contextmanager
def progress(number: int, done: str) -> Iterator[OnProgress]:
    """Show the progress of a sweep on a terminal; Ctrl-C ends it after the current batch. Raises Failure then."""
    shown = before = 0
    bar = click.progressbar(length=number, label=done, file=sys.stderr) if sys.stderr.isatty() else None

    def on_progress(changed: int, _looked_at: int) -> None:
        nonlocal shown, before
        before = 0 if changed < before else before  # the next one of several sweeps
        shown += changed - before
        if bar is not None:
            bar.update(changed - before)
        before = changed

    try:
        with bar or nullcontext():
            yield on_progress
    except KeyboardInterrupt:
        say(err=True)
        raise Failure(f"interrupted after {counted(shown, 'job')}; the others are unchanged", NO) from None
