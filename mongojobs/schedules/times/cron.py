"""The nominal times of a cron expression in a zone.

``cronsim`` reads the expression and knows the rules of days. Hours and minutes are found here, since clock changes need
more than it has: where a half hour is left out, as on Lord Howe Island, it loses times that do exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from mongojobs.core.errors import ScheduleError
from mongojobs.schedules.times.zones import MINUTE, instant

NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_FAR: Final = 50 * 366 * _DAY
"""What has no time in so long is taken to have none."""
_A_WHILE: Final = date(2028, 1, 1), 40 * 366
"""In which there is each date on each weekday."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields, or one of the nicknames. Raises ScheduleError.

    Where both hour and minute are given, it means times of day, each once a day: one that the clocks leave out is
    right after the gap, one that they show twice is the first. Where one of the two begins with ``*``, it means every
    minute at which clocks show what fits: none in a gap, twice in an hour that comes twice. Source: Debian's cron.
    """

    text: str
    parsed: CronSim = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fields = NICKNAMES.get(self.text.strip().lower(), self.text).upper().split()
        object.__setattr__(self, "parsed", _parsed(self.text, fields))
        object.__setattr__(self, "text", " ".join(self.text.split()))
        if not any(self._days(*_A_WHILE)):
            raise ScheduleError(f"{self.text!r} is never due: no month has such a day")

    @property
    def fields(self) -> list[str]:
        """Minute, hour, day of month, month and day of week, in capitals."""
        return list(self.parsed.parts[1:])

    @property
    def is_fixed(self) -> bool:
        """Whether it means times of day, not a rhythm."""
        return not any(part.startswith("*") for part in self.fields[:2])

    @property
    def times_of_day(self) -> list[time]:
        """The times that clocks show."""
        return [time(hour, minute) for hour in sorted(self.parsed.hours) for minute in sorted(self.parsed.minutes)]

    def after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the first nominal time later than *moment*, in UTC; None if there is none in 50 years."""
        return self._fixed_after(moment, zone) if self.is_fixed else self._rhythm_after(moment, zone)

    def is_on(self, day: date) -> bool:
        """Whether it is due on *day*."""
        return day.month in self.parsed.months and self.parsed.match_day(day)

    def _fixed_after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        begin = moment.astimezone(zone).date() - _DAY
        for day in self._days(begin, _FAR.days):
            for one in self.times_of_day:
                due = instant(datetime.combine(day, one), zone)
                if due > moment:
                    return due
        return None

    def _rhythm_after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        moment = moment.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE
        end = moment + _FAR
        while moment < end:
            shown = moment.astimezone(zone)
            if not self.is_on(shown.date()):
                midnight = datetime.combine(shown.date() + _DAY, time(), zone).astimezone(UTC)
                moment = max(midnight, moment + MINUTE)  # in an hour that comes twice, it may have been before
            elif shown.hour not in self.parsed.hours:
                moment += _HOUR - shown.minute * MINUTE
            elif shown.minute not in self.parsed.minutes:
                moment += MINUTE
            else:
                return moment
        return None

    def _days(self, begin: date, number: int) -> Iterator[date]:
        return (day for day in (begin + count * _DAY for count in range(number)) if self.is_on(day))


def _parsed(text: str, fields: list[str]) -> CronSim:
    if len(fields) != 5:
        raise ScheduleError(
            f"{text!r:.100} is not a cron expression: it must have five fields (minute hour day month weekday), or be"
            f" one of {', '.join(NICKNAMES)}; for seconds, write an interval such as 30s"
        )
    try:
        return CronSim(" ".join(fields), datetime(2026, 1, 1))  # noqa: DTZ001 - for its fields alone
    except CronSimError as error:
        raise ScheduleError(f"{text!r:.100} is not a cron expression: {str(error).lower()}") from None
