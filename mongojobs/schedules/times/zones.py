"""Zones by name, and what clock changes do to wall times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mongojobs.core.errors import ScheduleError

MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)


def zone_called(name: object) -> ZoneInfo:
    """Return the zone *name*, as ``Europe/Athens``. Raises ScheduleError."""
    name = name.key if isinstance(name, ZoneInfo) else name
    if not isinstance(name, str):
        raise ScheduleError(f"tz must be the name of a time zone, such as Europe/Athens, got {name!r:.100}")
    return _zone(name)


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"tz must be the name of a time zone, got {name!r:.100}{_hint(name)}") from None


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when clocks in *zone* show the naive *wall*: the first time, or right after the gap that leaves it out."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    while (shown := moment.astimezone(zone).replace(tzinfo=None)) != wall:
        wall = min(wall + MINUTE, shown)
        moment = wall.replace(tzinfo=zone).astimezone(UTC)
    return moment


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A day on which the clocks of a zone change, forward or back."""

    day: date
    forward: bool


def clock_changes(zone: ZoneInfo, *, since: datetime, days: int) -> Iterator[ClockChange]:
    """Yield the days on which the clocks of *zone* change, from *since* on."""
    first = since.astimezone(zone).date()
    for day in (first + number * _DAY for number in range(days)):
        before, after = (datetime.combine(one, time(), zone).utcoffset() for one in (day, day + _DAY))
        if before is not None and after is not None and before != after:
            yield ClockChange(day, forward=after > before)


def _hint(name: str) -> str:
    known = available_timezones()
    if not known:
        return ": this system has no table of zones, so install the package tzdata"
    near = get_close_matches(name, known, n=1)
    return f": did you mean {near[0]}?" if near else ": see zoneinfo.available_timezones()"
