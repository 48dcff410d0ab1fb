"""``mongojobs schedules add``, ``edit``, ``pause``, ``resume``, ``run``, ``backfill`` and ``remove``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.enqueue import FLAGS, TimeType, argument_flags, call_named, flag_of
from mongojobs.cli.shared.choosing import current_user
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_database
from mongojobs.cli.shared.options import Command, DurationType, own_option, with_options
from mongojobs.cli.shared.output import confirm, say
from mongojobs.core.words.wording import counted, iso, printable

if TYPE_CHECKING:
    from mongojobs.app.operations import Operator
    from mongojobs.schedules.schedule import Schedule

_OF_TICKS: Final = ("run_at", "run_in", "expires_at", "job_id")


def _said_flags() -> list[click.Option]:
    """Return the flags for the options of a schedule and of the enqueues of its jobs."""
    return [
        own_option("--tz", text="time zone of EXPRESSION, such as Europe/Athens; default: UTC", metavar="ZONE"),
        own_option(
            "--overlap",
            text="what to do with a tick while an earlier job waits or runs; default: skip",
            type=click.Choice(["skip", "allow", "queue", "cancel"]),
        ),
        own_option(
            "--catch-up",
            text="which ticks to catch up that fell due while no worker was running; default: latest",
            type=click.Choice(["latest", "none", "all"]),
        ),
        own_option("--window", text="how late a tick may still be caught up; default: 1d", type=DurationType()),
        own_option("--jitter", text="delay each job by up to this long after its tick", type=DurationType()),
        own_option("--starts", text="no ticks before this time", type=TimeType(), metavar="ISO"),
        own_option("--ends", text="no ticks after this time", type=TimeType(), metavar="ISO"),
        own_option("--times", text="stop after this many jobs", type=int, metavar="N"),
        own_option(
            "--expires", text="cancel a job that has not started by the next tick", type=click.Choice(["interval"])
        ),
        own_option("--description", text="what the schedule is for", metavar="TEXT"),
        *(flag_of(field) for field in FLAGS if field.name not in _OF_TICKS),
    ]


@with_options(*argument_flags(), *_said_flags())
@click.command(cls=Command)
@click.argument("name")
@click.argument("job")
@click.argument("expression")
@click.pass_obj
def add(
    options: GlobalOptions,
    /,
    *,
    name: str,
    job: str,
    expression: str,
    args: list[Any],
    kwargs: dict[str, Any],
    **values: Any,
) -> None:
    """Add the schedule NAME, which enqueues JOB whenever EXPRESSION is due.

    JOB is the name that the job is declared under. EXPRESSION is a cron expression, a duration such as 15m, or words
    such as "weekday at 9:00". If NAME was added before, it is changed.
    """
    with _operating(options) as operator:
        call = call_named(job, args, kwargs)
        handle = operator.schedule(name, call, every=expression, by=current_user(), **_given(values))
        [report] = operator.schedule_reports(handle.name)
    say(f"Added {printable(name)}: {report.words}, in {report.tz}{_due(report.schedule)}.")
    for note in report.notes:
        say(f"Note: {note}", err=True)


_SPELLED: Final = {flag.opts[-1].removeprefix("--"): flag.name or "" for flag in _said_flags()}
"""The names of those options as they are typed, and in Python."""


@with_options(
    own_option("--when", text="when it is due: a cron expression, a duration or words", metavar="EXPRESSION"),
    *argument_flags(args=None, kwargs=None),
    *_said_flags(),
    own_option(
        "--without",
        text="an option to take back, such as ends or queue; may be repeated",
        type=click.Choice(list(_SPELLED)),
        multiple=True,
        metavar="OPTION",
    ),
)
@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def edit(
    options: GlobalOptions,
    /,
    *,
    name: str,
    when: str | None,
    args: list[Any] | None,
    kwargs: dict[str, Any] | None,
    without: tuple[str, ...],
    **values: Any,
) -> None:
    """Change the options of the schedule NAME, and the arguments of its job.

    If the schedule is declared in code, the change holds until the code changes the same option.
    """
    given = _given(values)
    for option in without:
        if _SPELLED[option] in given:
            raise click.UsageError(f"give --{option} or --without {option}, not both")
    said: dict[str, Any] = given | {_SPELLED[option]: None for option in without}
    with _operating(options) as operator:
        changed = operator.schedule_of(name).edit(when, args=args, kwargs=kwargs, by=current_user(), **said)
    say(f"Changed {printable(name)}{_due(changed)}.")


@with_options(
    own_option("--for", "duration", text="for how long; default: until it is resumed", type=DurationType()),
    own_option("--why", text="the reason, shown to anyone who looks", default="", metavar="TEXT"),
)
@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def pause(options: GlobalOptions, /, *, name: str, duration: timedelta | None, why: str) -> None:
    """Pause the schedule NAME; ticks that fall due meanwhile are never caught up."""
    with open_database(options) as database:
        until = None if duration is None else database.store.clock.now() + duration
        database.operator.schedule_of(name).pause(why, until, by=current_user())
    say(f"Paused {printable(name)} {'until it is resumed' if until is None else f'until {iso(until)}'}.")


@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def resume(options: GlobalOptions, /, *, name: str) -> None:
    """Resume the schedule NAME, from its next tick on."""
    with open_database(options) as database:
        resumed = database.operator.schedule_of(name).resume()
    say(f"Resumed {printable(name)}{_due(resumed)}.")


@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def run(options: GlobalOptions, /, *, name: str) -> None:
    """Enqueue the job of the schedule NAME now; its next tick stays as it is."""
    with _operating(options) as operator:
        job = operator.schedule_of(name).run_now(by=current_user())
    say(f"Enqueued {printable(str(job.id))}.")


@with_options(
    own_option("--since", text="the first tick, inclusive", type=TimeType(), metavar="ISO", required=True),
    own_option("--until", text="the end, exclusive", type=TimeType(), metavar="ISO", required=True),
    own_option("--yes", text="do not ask", is_flag=True),
)
@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def backfill(options: GlobalOptions, /, *, name: str, since: datetime, until: datetime, yes: bool) -> None:
    """Enqueue a job for each tick of the schedule NAME in a period, after showing how many there are."""
    with _operating(options) as operator:
        handle = operator.schedule_of(name)
        number = handle.backfill_count(since, until)
        if number == 0:
            say(f"{printable(name)} has no ticks between {iso(since)} and {iso(until)}.")
            return
        confirm(f"Enqueue {counted(number, 'job')} of {name}?", yes=yes, declined="nothing was enqueued")
        handle.backfill(since, until, by=current_user())
    say(f"Enqueued {counted(number, 'job')}, except those that were already there.")


@with_options(own_option("--yes", text="do not ask", is_flag=True))
@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def remove(options: GlobalOptions, /, *, name: str, yes: bool) -> None:
    """Remove the schedule NAME; its jobs stay."""
    with open_database(options) as database:
        handle = database.operator.schedule_of(name)
        handle.get()
        confirm(f"Remove the schedule {name}?", yes=yes)
        handle.remove()
    say(f"Removed {printable(name)}.")


COMMANDS: Final = (add, edit, pause, resume, run, backfill, remove)


@contextmanager
def _operating(options: GlobalOptions) -> Iterator[Operator]:
    with open_database(options) as database:
        yield database.operator


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, ())}


def _due(schedule: Schedule) -> str:
    return "" if schedule.next_run_at is None else f", due at {iso(schedule.next_run_at)}"
