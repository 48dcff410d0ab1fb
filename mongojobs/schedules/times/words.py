"""Times in words: a small closed grammar, each sentence of which is one cron expression or interval.

::

    [every] N seconds|minutes|hours|days          every 15 minutes
    [every] minute|hour [at :MM]                  hour at :15
    [every] DAYS at TIMES                         monday and friday at 9:00
    ORDINAL [and ORDINAL] of the month at TIMES   1st and 15th of the month at 6:30
    last day of the month at TIMES
    first|...|fifth|last WEEKDAY of the month at TIMES

DAYS are day, weekday, weekend and names of weekdays; TIMES are H:MM, noon and midnight, joined by "and".
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from mongojobs.core.errors import ScheduleError
from mongojobs.schedules.times.cron import Cron
from mongojobs.schedules.times.interval import Interval

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS: Final = {
    "day": "*",
    "weekday": "mon-fri",
    "weekend": "sat,sun",
    **{name: name[:3] for name in _WEEKDAYS},
}
_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_POSITIONS: Final = {"first": "#1", "second": "#2", "third": "#3", "fourth": "#4", "fifth": "#5", "last": "L"}
_OF_MONTH: Final = r"\s+of\s+(?:the|every|each)\s+month\s+at\s+(?P<times>.+)"

_RHYTHM: Final = re.compile(r"(?:every\s+)?(?P<number>\d{1,7})\s+(?P<unit>second|minute|hour|day)s?")
_HOUR: Final = re.compile(r"(?:every\s+)?(?:(?P<minute>minute)|hour(?:\s+at\s+:(?P<at>[0-5]\d))?)")
_DAILY: Final = re.compile(
    r"(?:every\s+|each\s+)?(?P<days>[a-z]+(?:(?:\s+and\s+|\s*,\s*)[a-z]+)*)\s+at\s+(?P<times>.+)"
)
_MONTHLY: Final = re.compile(
    r"(?:the\s+)?(?P<dates>\d{1,2}(?:st|nd|rd|th)(?:(?:\s+and\s+|\s*,\s*)\d{1,2}(?:st|nd|rd|th))*)" + _OF_MONTH
)
_LAST_DAY: Final = re.compile(r"(?:the\s+)?last\s+day" + _OF_MONTH)
_NTH: Final = re.compile(
    rf"(?:the\s+)?(?P<position>{'|'.join(_POSITIONS)})\s+(?P<day>{'|'.join(_WEEKDAYS)})" + _OF_MONTH
)
_TIME: Final = re.compile(r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)")
_JOINED: Final = re.compile(r"\s+and\s+|\s*,\s*")

EXAMPLES: Final = '"every 15 minutes", "hour at :15", "weekday at 9:00" or "last day of the month at 2:00"'


def from_words(text: str) -> Cron | Interval | None:
    """Return what *text* means; None if it is no sentence of the grammar. Raises ScheduleError for more than one."""
    words = " ".join(text.lower().split())
    if found := _RHYTHM.fullmatch(words):
        return Interval(timedelta(seconds=int(found["number"]) * _UNITS[found["unit"]]))
    if found := _HOUR.fullmatch(words):
        return Cron("* * * * *" if found["minute"] else f"{int(found['at'] or 0)} * * * *")
    if found := _MONTHLY.fullmatch(words):
        dates = ",".join(one.rstrip("stndrh") for one in _JOINED.split(found["dates"]))
        return _at(found["times"], f"{dates} * *", text)
    if found := _LAST_DAY.fullmatch(words):
        return _at(found["times"], "L * *", text)
    if found := _NTH.fullmatch(words):
        return _at(found["times"], f"* * {_nth(found['day'], found['position'])}", text)
    if found := _DAILY.fullmatch(words):
        days = [_DAYS.get(name) or _DAYS.get(name.removesuffix("s")) for name in _JOINED.split(found["days"])]
        named = [one for one in days if one is not None]
        if len(named) == len(days) and ("*" not in named or len(named) == 1):
            return _at(found["times"], f"* * {','.join(named)}", text)
    return None


def _nth(day: str, position: str) -> str:
    """Return the weekday as cron counts it: the last one takes a number."""
    if position == "last":
        return f"{(_WEEKDAYS.index(day) + 1) % 7}L"
    return f"{day[:3]}{_POSITIONS[position]}"


def _at(times: str, days: str, text: str) -> Cron | None:
    """Return the expression for *days* at *times*. Raises ScheduleError where it would take more than one."""
    named = [{"noon": "12:00", "midnight": "0:00"}.get(one, one) for one in _JOINED.split(times)]
    found = [match for one in named if (match := _TIME.fullmatch(one))]
    if len(found) < len(named):
        return None
    hours: dict[str, list[str]] = {}
    for match in found:
        hours.setdefault(str(int(match["minute"])), []).append(str(int(match["hour"])))
    each = [f"{minute} {','.join(at)} {days}" for minute, at in hours.items()]
    if len(each) > 1:
        shown = " and ".join(repr(one) for one in each)
        raise ScheduleError(f"{text!r:.100} would take {len(each)} cron expressions, {shown}: make a schedule of each")
    return Cron(each[0])
