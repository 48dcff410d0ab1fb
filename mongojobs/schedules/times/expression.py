"""Reading what people write: a cron expression, a duration, or words."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from mongojobs.core.errors import ScheduleError
from mongojobs.core.words.durations import parse_duration
from mongojobs.schedules.times.cron import NICKNAMES, Cron
from mongojobs.schedules.times.interval import Interval
from mongojobs.schedules.times.words import EXAMPLES, from_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

Times = Cron | Interval
"""When a schedule is due. Both say it as ``text``, which reads back to the same."""


def parse_times(value: object) -> Times:
    """Return when *value* means: ``0 9 * * mon-fri``, ``@daily``, ``15m``, ``weekday at 9:00``, or a ``timedelta``.

    Raises ScheduleError that says what can be written.
    """
    if isinstance(value, timedelta):
        return Interval(value)
    if not isinstance(value, str):
        raise ScheduleError(f"a schedule must be a text such as '0 9 * * *', '15m' or {EXAMPLES}, got {value!r:.100}")
    return _parsed(value)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Times:
    if text.strip().startswith("@"):
        return _nickname(text.strip().lower())
    duration = _duration(text)
    times = from_words(text) if duration is None else Interval(duration)
    if times is not None:
        return times
    if len(text.split()) in (4, 5, 6, 7) and not text.strip()[:1].isalpha():
        return Cron(text)
    raise ScheduleError(
        f"{text!r:.100} is not a schedule: write cron such as '0 9 * * mon-fri', a duration such as '15m', or words"
        f" such as {EXAMPLES}"
    )


def _duration(text: str) -> timedelta | None:
    try:
        return parse_duration(text)
    except ValueError:
        return None


def _nickname(text: str) -> Cron:
    if text == "@reboot":
        raise ScheduleError("@reboot is not a time: call the job where the program starts")
    if text not in NICKNAMES:
        raise ScheduleError(f"unknown nickname {text!r:.100}: use one of {', '.join(NICKNAMES)}")
    return Cron(text)


def times_after(times: Times, moment: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the nominal times later than *moment*, one after the other."""
    due = times.after(moment, zone)
    while due is not None:
        yield due
        due = times.after(due, zone)


def next_times(times: Times, moment: datetime, zone: ZoneInfo, *, number: int) -> list[datetime]:
    """Return the first *number* nominal times later than *moment*."""
    return list(islice(times_after(times, moment, zone), number))
