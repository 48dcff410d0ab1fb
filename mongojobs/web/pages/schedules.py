"""The schedules: when each is due, and what became of its last ticks."""

from __future__ import annotations

from typing import Final

from mongojobs.schedules.report import LETTERS
from mongojobs.web.context import Page, RequestContext
from mongojobs.web.ids import key_of

_ON_A_PAGE: Final = 50
STRIP: Final = 20
"""Of how many ticks the list tells what became of them."""


def show(visit: RequestContext) -> Page:
    """Show them, a page at a time."""
    reports = visit.app.some_schedule_reports(after=visit.text("after"), limit=_ON_A_PAGE + 1)
    shown = reports[:_ON_A_PAGE]
    values = {
        "reports": shown,
        "next": shown[-1].schedule.name if len(reports) > _ON_A_PAGE else None,
        "letters": LETTERS,
        "strip": STRIP,
        "key_of": key_of,
    }
    return Page("schedules.html", values)
