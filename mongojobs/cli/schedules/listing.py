"""``mongojobs schedules list`` and ``show``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_database
from mongojobs.cli.shared.options import Command, with_options
from mongojobs.cli.shared.output import TableColumn, json_option, plain, print_json, print_table, say
from mongojobs.core.words.wording import NONE, ago, in_words, iso, printable, to_json

if TYPE_CHECKING:
    from mongojobs.core.job import Job
    from mongojobs.schedules.report import ScheduleReport
    from mongojobs.schedules.schedule import Tick

NEXT_SHOWN: Final = 10
_STRIP: Final = 10
_COLUMNS: Final = (
    TableColumn("SCHEDULE"),
    TableColumn("STATE"),
    TableColumn("WHEN"),
    TableColumn("ZONE"),
    TableColumn("NEXT"),
    TableColumn("LAST TICKS"),
    TableColumn("LAST JOB"),
)
_LEDGER: Final = (TableColumn("TICK"), TableColumn("RESULT"), TableColumn("JOB"), TableColumn("WHY OR BY WHOM"))


@with_options(json_option())
@click.command("list", cls=Command)
@click.pass_obj
def list_schedules(options: GlobalOptions, /, *, as_json: bool) -> None:
    """List the schedules: when each is due next, and what happened at its last ticks.

    One letter per tick: E enqueued, S skipped, M missed, H enqueued by hand, B backfilled.
    """
    with open_database(options) as database:
        reports, now = database.operator.schedule_reports(), database.store.clock.now()
    if as_json:
        print_json({"at": now, "schedules": [schedule_document(report) for report in reports]})
    elif reports:
        print_table(_COLUMNS, [_row(report, now) for report in reports])
    else:
        say("There are no schedules. Those declared with @every appear once a worker has started with their code.")


@with_options(json_option())
@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def show(options: GlobalOptions, /, *, name: str, as_json: bool) -> None:
    """Show everything about the schedule NAME: when it is due, its last ticks, who changed what."""
    with open_database(options) as database:
        [report] = database.operator.schedule_reports(name)
    if as_json:
        print_json(shown_document(report))
    else:
        _print_schedule(report)


COMMANDS: Final = (list_schedules, show)


def schedule_document(report: ScheduleReport) -> dict[str, object]:
    """Return what ``--json`` says of a schedule in a list."""
    schedule, said = report.schedule, report.schedule.definition
    last = report.last
    return {
        "name": schedule.name,
        "state": report.state,
        "source": schedule.source,
        "when": None if said is None else said.due.text,
        "words": report.words,
        "tz": report.tz,
        "job": schedule.job_name,
        "next_run_at": schedule.next_run_at,
        "pause": None if schedule.pause is None else _pause_document(report),
        "ticks": report.strip,
        "totals": dict(schedule.totals),
        "last_tick": None if last is None else last[0].at,
        "last_state": None if last is None or last[1] is None else last[1].state,
        "last_seconds": None if last is None or last[1] is None else last[1].took,
    }


def shown_document(report: ScheduleReport) -> dict[str, object]:
    """Return what ``--json`` says of a schedule with all details."""
    schedule, said = report.schedule, report.schedule.definition
    return {
        **schedule_document(report),
        "at": report.at,
        "overlap": None if said is None else said.overlap,
        "catch_up": None if said is None else said.catch_up,
        "window_seconds": None if said is None else said.window,
        "jitter_seconds": None if said is None else said.jitter,
        "starts": None if said is None else said.starts,
        "ends": None if said is None else said.ends,
        "times": None if said is None else said.times,
        "expires": None if said is None else said.expires,
        "description": "" if said is None else said.description,
        "options": dict(schedule.options),
        "declared_by": list(report.declarers),
        "edited": [
            {"field": field, "at": entry.get("at"), "by": entry.get("by")} for field, entry in schedule.edited.items()
        ],
        "next": report.next_times(NEXT_SHOWN),
        "ledger": [_tick_document(tick) for tick in reversed(schedule.ticks)],
        "notes": report.notes,
    }


def _pause_document(report: ScheduleReport) -> dict[str, object]:
    pause = report.schedule.pause
    assert pause is not None  # noqa: S101 - the caller has looked
    return {"since": pause.at, "until": pause.until, "why": pause.why, "by": pause.by}


def _tick_document(tick: Tick) -> dict[str, object]:
    return {
        "at": tick.at,
        "until": tick.until,
        "number": tick.number,
        "result": tick.result,
        "why": tick.why,
        "by": tick.by,
    }


def _row(report: ScheduleReport, now: datetime) -> tuple[Any, ...]:
    schedule = report.schedule
    last = report.last
    return (
        schedule.name,
        report.state,
        report.words or NONE,
        report.tz or NONE,
        ago(schedule.next_run_at, now),
        report.strip[-_STRIP:] or NONE,
        NONE if last is None else _last(last[0], last[1], now),
    )


def _last(tick: Tick, job: Job | None, now: datetime) -> str:
    if job is None:
        return f"{ago(tick.at, now)}, gone"
    took = f" in {in_words(job.took)}" if job.took is not None else ""
    return f"{ago(tick.at, now)}, {job.state}{took}"


def _print_schedule(report: ScheduleReport) -> None:
    """Print everything, leaving out what does not apply."""
    schedule, said, now = report.schedule, report.schedule.definition, report.at
    click.echo(click.style(printable(f"Schedule {schedule.name}"), bold=True))
    facts: dict[str, object] = {"state": report.state, "from": schedule.source, "job": schedule.job_name}
    if said is not None:
        facts |= {
            "when": f"{report.words} ({said.due.text}), in {report.tz}",
            "description": said.description,
            "overlap": said.overlap,
            "catch up": f"{said.catch_up} of the last {in_words(said.window)}",
            "jitter": in_words(said.jitter) if said.jitter else "",
            "starts": said.starts and iso(said.starts),
            "ends": said.ends and iso(said.ends),
            "expires": "at the next tick, unless it has started" if said.expires else "",
            "times": said.times and f"{schedule.enqueued} of {said.times}",
        }
    if schedule.pause is not None:
        pause = schedule.pause
        end = "" if pause.until is None else f", until {iso(pause.until)}"
        facts["paused"] = f"{ago(pause.at, now)} by {pause.by or 'somebody'}{end}: {pause.why or 'no reason given'}"
    facts |= {
        "options": to_json(plain(schedule.options)) if schedule.options else "",
        "edited": ", ".join(f"{field} by {entry.get('by') or 'somebody'}" for field, entry in schedule.edited.items()),
        "declared by": ", ".join(report.declarers),
        "so far": ", ".join(f"{number:,} {result}" for result, number in schedule.totals.items()),
    }
    for name, value in facts.items():
        if value:
            say(f"  {name + ':':<13} {value}")
    for note in report.notes:
        say(f"  Note: {note}")
    _print_times(report)


def _print_times(report: ScheduleReport) -> None:
    said = report.schedule.definition
    if said is not None and (due := report.next_times(NEXT_SHOWN)):
        say(f"\nNext in {report.tz}, and in UTC:")
        for at in due:
            say(f"  {at.astimezone(said.tz):%a %Y-%m-%d %H:%M:%S %z}  {at:%H:%M:%S}")
    if report.schedule.ticks:
        say()
        print_table(_LEDGER, [_ledger_row(report, tick) for tick in reversed(report.schedule.ticks)])


def _ledger_row(report: ScheduleReport, tick: Tick) -> tuple[str, ...]:
    job = report.job_of(tick)
    shown = NONE if job is None else f"{job.state}{f' in {in_words(job.took)}' if job.took is not None else ''}"
    result = tick.result if tick.number == 1 else f"{tick.result}, {tick.number:,}"
    return iso(tick.at), result, shown, tick.why or tick.by or NONE
