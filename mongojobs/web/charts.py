"""What charts show: figures over time, in columns that are neither too many nor too few."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Final

from mongojobs.core.stats import RunStats, Stats, Step


@dataclass(frozen=True, slots=True)
class Range:
    """How far back a chart goes, and how much time each of its columns covers."""

    label: str
    span: timedelta
    step: Step
    column: timedelta


_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)

RANGES: Final[Mapping[str, Range]] = {
    "1h": Range("1 hour", _HOUR, "minute", _MINUTE),
    "6h": Range("6 hours", 6 * _HOUR, "minute", 6 * _MINUTE),
    "24h": Range("1 day", 24 * _HOUR, "hour", _HOUR),
    "7d": Range("7 days", 168 * _HOUR, "hour", 4 * _HOUR),
}


@dataclass(frozen=True, slots=True)
class ChartColumn:
    """What was done from *at* until the next column begins."""

    at: datetime
    figures: RunStats


def columns(by_time: Mapping[datetime, RunStats], width: timedelta) -> tuple[ChartColumn, ...]:
    """Return the figures of minutes or hours in columns of *width*, in order."""
    made: defaultdict[datetime, RunStats] = defaultdict(RunStats)
    first: datetime | None = None
    for at, figures in by_time.items():
        first = first or at
        begin = first + (at - first) // width * width
        made[begin].include(figures)
    return tuple(ChartColumn(at, figures) for at, figures in made.items())


@dataclass(frozen=True)
class Summary:
    """What workers did in *parts* of a time span, added up for each name and each queue when first asked for."""

    parts: tuple[Stats, ...]

    @property
    def span(self) -> timedelta:
        """How much time it covers."""
        return sum((part.until - part.since for part in self.parts), timedelta())

    @cached_property
    def by_name(self) -> Mapping[str, RunStats]:
        """What the jobs of each name did."""
        return _added_up(part.by_name() for part in self.parts)

    @cached_property
    def by_queue(self) -> Mapping[str, RunStats]:
        """What the jobs of each queue did."""
        return _added_up(part.by_queue() for part in self.parts)


def _added_up(parts: Iterable[Mapping[str, RunStats]]) -> Mapping[str, RunStats]:
    total: defaultdict[str, RunStats] = defaultdict(RunStats)
    for key, figures in chain.from_iterable(part.items() for part in parts):
        total[key].include(figures)
    return total
