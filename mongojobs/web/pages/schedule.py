"""One schedule: when it is due next, its ledger, and who changed what."""

from __future__ import annotations

import shlex
from dataclasses import replace
from itertools import islice
from typing import Final

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from mongojobs.core.errors import ScheduleError
from mongojobs.payload.show import show_call, show_value
from mongojobs.schedules.report import LETTERS, ScheduleReport
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import key_of
from mongojobs.web.pages.queues import DURATIONS, LONGEST_REASON, read_duration

_NEXT: Final = 10
_MOST_EDITS: Final = 30
_COMMANDS: Final = ("show", "run", "pause", "resume", "remove")


def show(visit: RequestContext) -> Page:
    """Show it."""
    report = report_of(visit)
    schedule = report.schedule
    call = show_call(schedule.handler, visit.app.payloads)
    return Page(
        "schedule.html",
        {
            "report": report,
            "schedule": schedule,
            "said": schedule.definition,
            "next_times": report.next_times(_NEXT),
            "ledger": [replace(tick, why=call.clean(tick.why)) for tick in reversed(schedule.ticks)],
            "edits": [
                (name, entry.get("by") or "somebody") for name, entry in islice(schedule.edited.items(), _MOST_EDITS)
            ],
            "totals": {result: number for result in LETTERS if (number := schedule.totals.get(result))},
            "options": show_value(dict(schedule.options)) if schedule.options and visit.show_arguments else "",
            "commands": [f"mongojobs schedules {name} {shlex.quote(schedule.name)}" for name in _COMMANDS],
            "letters": LETTERS,
            "durations": DURATIONS,
            "key_of": key_of,
        },
    )


def change(visit: RequestContext) -> Page | Response:
    """Run its job now, pause it, resume it, or remove it after a question. Raises ScheduleError."""
    action, report = visit.choice("action", ("run", "pause", "resume", "remove")), report_of(visit)
    name = report.schedule.name
    handle, target = visit.app.schedule_of(name), {"schedule": name}
    if action == "remove":
        return _remove(visit, report) if visit.text("confirmed") else Page("remove_schedule.html", {"report": report})
    if action == "run":
        target["job"] = str(handle.run_now(by=visit.user.name).id)
    elif action == "resume":
        handle.resume()
    else:
        duration, reason = read_duration(visit.text("for")), visit.text("reason")[:LONGEST_REASON]
        handle.pause(reason, None if duration is None else visit.now + duration, by=visit.user.name)
        target |= {"for": visit.text("for"), "reason": reason}
    visit.done(f"{action} schedule", target=target)
    return visit.go("schedule", name=name, did=f"{action}-schedule", n=1)


def _remove(visit: RequestContext, report: ScheduleReport) -> Response:
    name = report.schedule.name
    visit.app.schedule_of(name).remove()
    visit.done("remove schedule", target={"schedule": name})
    return visit.go("schedules", did="remove-schedule", n=1)


def report_of(visit: RequestContext) -> ScheduleReport:
    """Return the report of the schedule that the address or the form names. Raises NotFound."""
    try:
        [report] = visit.app.schedule_reports(visit.text("name"))
    except ScheduleError as error:
        raise NotFound(str(error)) from None
    return report
