"""Intervals: counted from the epoch, so that all workers agree and nothing drifts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from mongojobs.core.errors import ScheduleError
from mongojobs.core.words.durations import format_duration

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Interval:
    """The multiples of a duration since 1970; clock changes do not concern it. Raises ScheduleError."""

    every: timedelta

    def __post_init__(self) -> None:
        if self.every < _SECOND or self.every % _SECOND or self.every > LONGEST:
            raise ScheduleError(
                f"an interval must be whole seconds, at least 1s and at most 366d, got {format_duration(self.every)}"
            )

    @property
    def text(self) -> str:
        """Return it as it is written: ``15m``."""
        return format_duration(self.every)

    def after(self, moment: datetime, _zone: ZoneInfo) -> datetime:
        """Return the first nominal time later than *moment*."""
        return _EPOCH + ((moment - _EPOCH) // self.every + 1) * self.every
