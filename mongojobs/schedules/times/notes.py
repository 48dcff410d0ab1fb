"""Surprises in an expression, with dates: days that it unexpectedly leaves out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from mongojobs.schedules.times.cron import Cron
from mongojobs.schedules.times.expression import Times
from mongojobs.schedules.times.zones import clock_changes

_DAYS: Final = 400
_SHORT_MONTHS: Final = {29: 1, 30: 1, 31: 5}
"""How many months have no such day, but for leap years."""


def notes(times: Times, zone: ZoneInfo, *, now: datetime) -> list[str]:
    """Return sentences on what may surprise about *times* within the next year."""
    if not isinstance(times, Cron):
        return []
    return [*_short_months(times), *_gaps(times, zone, now)]


def _short_months(times: Cron) -> list[str]:
    if not times.parsed.day_and or len(times.parsed.months) < 12:
        return []
    missed = _SHORT_MONTHS.get(min(times.parsed.days), 0)
    if not missed:
        return []
    months = "1 month" if missed == 1 else f"{missed} months"
    return [f"it is not due in the {months} of the year without such a day: L means the last day of each month"]


def _gaps(times: Cron, zone: ZoneInfo, now: datetime) -> list[str]:
    """Return a sentence for each day that is left out since its only hours are those that the clocks leave out."""
    if times.is_fixed:
        return []
    return [
        f"it is not due on {change.day}, when the clocks of {zone.key} are set forward over its hour: write the hour"
        " and minute without * to have it due right after"
        for change in clock_changes(zone, since=now, days=_DAYS)
        if change.forward and times.is_on(change.day) and not _is_due_on(times, change.day, zone)
    ]


def _is_due_on(times: Cron, day: date, zone: ZoneInfo) -> bool:
    begin, end = (
        datetime.combine(one, time(), zone).astimezone(UTC) - timedelta(minutes=1)
        for one in (day, day + timedelta(days=1))
    )
    due = times.after(begin, zone)
    return due is not None and due <= end
