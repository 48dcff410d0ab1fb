"""Enqueueing a job for each tick of a schedule in a period, after a question that says how many there are."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from werkzeug.wrappers import Response

from mongojobs.app.schedule_texts import moment_of
from mongojobs.core.errors import ScheduleError
from mongojobs.schedules.report import ScheduleReport
from mongojobs.schedules.schedule import Schedule
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.pages.schedule import report_of

MOST_AT_ONCE: Final = 1_000
"""As many as can be enqueued before platforms cut off the response."""


def ask(visit: RequestContext) -> Page:
    """Ask for the period."""
    return _form(visit, report_of(visit))


def change(visit: RequestContext) -> Page | Response:
    """Say how many jobs that would be, and enqueue them once that is confirmed."""
    report = report_of(visit)
    schedule = report.schedule
    try:
        since, until = (_moment(visit, name, schedule.said.tz) for name in ("since", "until"))
        count = _count(visit, schedule, since, until)
    except ScheduleError as error:
        return _form(visit, report, problem=str(error), wrong=error.option)
    if not visit.text("confirmed"):
        return _form(visit, report, count=count)
    try:
        visit.app.schedule_of(schedule.name).backfill(since, until, by=visit.user.name)
    finally:  # of those that cannot be enqueued, the others are
        target = {"schedule": schedule.name, "since": since.isoformat(), "until": until.isoformat()}
        visit.done("backfill schedule", count=count, target=target)
    return visit.go("schedule", name=schedule.name, did="backfill-schedule", n=count)


def _form(visit: RequestContext, report: ScheduleReport, *, count: int = 0, problem: str = "", wrong: str = "") -> Page:
    schedule, typed = report.schedule, {name: visit.text(name) for name in ("since", "until")}
    since, until = (_on_command_line(text, schedule.said.tz) for text in typed.values())
    values = {
        "report": report,
        "schedule": schedule,
        "typed": typed,
        "commands": [
            f"mongojobs schedules backfill {shlex.quote(schedule.name)} --since {since} --until {until}",
        ],
        "count": count,
        "problem": problem,
        "wrong": wrong,
    }
    return Page("backfill.html", values, status=400 if problem else 200)


def _count(visit: RequestContext, schedule: Schedule, since: datetime, until: datetime) -> int:
    """Return how many ticks there are. Raises ScheduleError for none, and for more than a page can enqueue."""
    count = visit.app.schedule_of(schedule.name).backfill_count(since, until)
    if not count:
        raise ScheduleError("it has no ticks in this time", option="until")
    if count > MOST_AT_ONCE:
        raise ScheduleError(
            f"that is {count:,} jobs, and at most {MOST_AT_ONCE:,} can be enqueued here at once: give a shorter period,"
            " or use the command below",
            option="until",
        )
    return count


def _on_command_line(text: str, zone: ZoneInfo) -> str:
    moment = moment_of(text, zone)
    return "TIME" if isinstance(moment, str) else moment.isoformat()


def _moment(visit: RequestContext, name: str, zone: ZoneInfo) -> datetime:
    """Return the time in the field *name*, in *zone* unless it names its own. Raises ScheduleError."""
    text = visit.text(name)
    moment = moment_of(text, zone)
    if isinstance(moment, str):
        raise ScheduleError(f"must be a time such as 2026-10-01T09:00, got {text!r:.100}", option=name)
    return moment
