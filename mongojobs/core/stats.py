"""Figures about runs: how many ended in which way, how long they took, and how long their jobs had waited.

They can be added up, over processes, minutes, names and queues, and never take more room than ``MOST_PAIRS`` allows.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, Literal, TypeVar, assert_never

from mongojobs.core.notices import (
    JobCancelled,
    JobCompleted,
    JobConflicted,
    JobCrashed,
    JobDeferred,
    JobDiscarded,
    JobErrored,
    JobFailed,
    JobReleased,
    JobSnoozed,
    RunEnded,
)

K = TypeVar("K")

COMPLETED: Final = "completed"
FAILED: Final = "failed"
RETRIED: Final = "retried"
DISCARDED: Final = "discarded"
CANCELLED: Final = "cancelled"
SNOOZED: Final = "snoozed"
DEFERRED: Final = "deferred"
INTERRUPTED: Final = "interrupted"
OUTCOMES: Final = (COMPLETED, FAILED, RETRIED, DISCARDED, CANCELLED, SNOOZED, DEFERRED, INTERRUPTED)
"""How runs end: ``failed`` is given up on, ``retried`` failed and will run again, ``discarded`` gave itself up,
``cancelled`` somebody else has, ``deferred`` could not be loaded, ``interrupted`` was handed back."""

MOST_PAIRS: Final = 200
"""How many pairs of name and queue are distinguished; an app may invent a name for each job."""
OTHER: Final = "(other)"
"""The name and queue under which all further ones are counted."""
ALL: Final = "(all)"
"""The name and queue of figures that do not distinguish them."""

BUCKETS: Final = 120
"""How many buckets a histogram has: anything longer than three weeks shares the last one."""
LANE: Final = 8
"""How many bytes a bucket's count has in memory."""
_ONE_IN: Final = tuple(1 << 8 * LANE * bucket for bucket in range(BUCKETS))

Step = Literal["minute", "hour", "day"]
STEPS: Final[Mapping[Step, timedelta]] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
"""The lengths of time for which figures are kept, the shortest first; days are those of UTC."""

Period = tuple[Step, datetime, str]
"""The minute, hour or day that begins at this time, of this process."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT: Final = timedelta(microseconds=1)


class Durations:
    """A histogram of durations, whose buckets give percentiles to within about a tenth.

    Its buckets are as wide as a quarter of their power of two: 0, 1, ... 7, 8-9, 10-11, 12-13, 14-15, 16-19 ms.
    """

    __slots__ = ("lanes", "longest", "seconds")

    def __init__(self) -> None:
        self.lanes: int = 0
        """How many durations are in each bucket, the shortest lowest: a number of ``LANE`` bytes each, so that two
        histograms are added without looking at their buckets."""
        self.seconds: float = 0.0
        """The sum."""
        self.longest: float = 0.0

    def add(self, seconds: float) -> None:
        """Add one duration."""
        milliseconds = int(seconds * 1000)
        shift = milliseconds.bit_length() - 3
        bucket = milliseconds if shift <= 0 else 4 * shift + (milliseconds >> shift)
        self.lanes += _ONE_IN[bucket if bucket < BUCKETS else -1]
        self.seconds += seconds
        self.longest = max(self.longest, seconds)

    def include(self, others: Durations) -> None:
        """Add all of *others*."""
        self.include_lanes(others.lanes, seconds=others.seconds, longest=others.longest)

    def include_lanes(self, lanes: int, *, seconds: float, longest: float) -> None:
        """Add durations given as their ``lanes``, and their sum and maximum."""
        self.lanes += lanes
        self.seconds += seconds
        self.longest = max(self.longest, longest)

    @property
    def counts(self) -> list[int]:
        """How many there are in each bucket."""
        return list(struct.unpack(f"<{BUCKETS}Q", self.lanes.to_bytes(LANE * BUCKETS, "little")))

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """The mean in seconds; None if there are none."""
        count = self.count
        return self.seconds / count if count else None

    def percentile(self, percent: float) -> float | None:
        """Return the seconds that *percent* of the durations do not exceed; None if there are none."""
        counts = self.counts
        left = sum(counts) * percent / 100
        for bucket, count in enumerate(counts):
            if count and left <= count:
                low, high = _milliseconds(bucket), _milliseconds(bucket + 1)
                return min((low + (high - low) * left / count) / 1000, self.longest)
            left -= count
        return None


class RunStats:
    """Figures of some runs: their *outcomes*, how long each *run* took, and each *wait* since the job was due.

    A run that is interrupted or deferred has no duration. *merged* calls became no job, as one that has ended since
    held their unique key.
    """

    __slots__ = ("merged", "outcomes", "run", "wait")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
        self.merged: int = 0
        self.run: Durations = Durations()
        self.wait: Durations = Durations()

    def end(self, outcome: str | None, seconds: float | None) -> None:
        """Count one run that has ended."""
        if outcome is not None:
            self.outcomes[outcome] += 1
        if seconds is not None:
            self.run.add(seconds)

    @property
    def runs(self) -> int:
        """How many runs have ended."""
        return sum(self.outcomes.values())

    @property
    def errors(self) -> int:
        """How many of them raised an error, or were cut short once too often."""
        return self.outcomes[FAILED] + self.outcomes[RETRIED]

    def include(self, others: RunStats) -> None:
        """Add all of *others*."""
        for outcome, count in others.outcomes.items():
            self.outcomes[outcome] += count
        self.merged += others.merged
        self.run.include(others.run)
        self.wait.include(others.wait)

    @classmethod
    def sum(cls, some: Iterable[RunStats]) -> RunStats:
        """Return the sum of *some* figures."""
        total = cls()
        for figures in some:
            total.include(figures)
        return total


@dataclass(slots=True, eq=False)
class StatsByJob:
    """Figures for each pair of name and queue: the first ``MOST_PAIRS`` of them, then all others together."""

    pairs: dict[tuple[str, str], RunStats] = field(default_factory=dict)

    def of(self, name: str, queue: str) -> RunStats:
        """Return the figures in which to count a job of this *name* in this *queue*."""
        figures = self.pairs.get((name, queue))
        if figures is None:
            pair = (name, queue) if len(self.pairs) < MOST_PAIRS else (OTHER, OTHER)
            figures = self.pairs.setdefault(pair, RunStats())
        return figures

    def include(self, others: StatsByJob) -> None:
        """Add all of *others*."""
        for (name, queue), figures in others.pairs.items():
            self.of(name, queue).include(figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsRow:
    """The *figures* of the jobs of one name in one queue, in the minute, hour or day that begins *at* this time."""

    at: datetime
    name: str
    queue: str
    figures: RunStats = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What workers did from *since* until *until*, in rows *by* minute, hour or day.

    *since* is later than was asked for where there is too much to read. A minute is known once it is over. Nothing is
    known of jobs that were given up on without a run, as those of lost workers are.
    """

    since: datetime
    until: datetime
    by: Step
    rows: tuple[StatsRow, ...] = field(repr=False)

    def total(self) -> RunStats:
        """Return the statistics of all rows together."""
        return RunStats.sum(row.figures for row in self.rows)

    def by_time(self) -> dict[datetime, RunStats]:
        """Return the statistics of each minute, hour or day, in order, including those without runs."""
        step, times, at = STEPS[self.by], [], self.since
        while at < self.until:
            times.append(at)
            at += step
        return self._grouped(lambda row: row.at, times)

    def by_name(self) -> dict[str, RunStats]:
        """Return the statistics of each name."""
        return self._grouped(lambda row: row.name, sorted({row.name for row in self.rows}))

    def by_queue(self) -> dict[str, RunStats]:
        """Return the statistics of each queue."""
        return self._grouped(lambda row: row.queue, sorted({row.queue for row in self.rows}))

    def _grouped(self, key: Callable[[StatsRow], K], keys: Iterable[K]) -> dict[K, RunStats]:
        groups = defaultdict(RunStats, {one: RunStats() for one in keys})
        for row in self.rows:
            groups[key(row)].include(row.figures)
        return dict(groups)


def ending_of(notice: RunEnded) -> tuple[str | None, float | None]:
    """Return the outcome that *notice* reports, and the seconds that the run took, as far as it says.

    So what is told of a job that is given up counts once: its error tells the seconds, its failure the outcome.
    """
    match notice:
        case JobCompleted():
            return COMPLETED, notice.seconds
        case JobErrored() | JobCrashed():
            return None if notice.given_up else RETRIED, notice.seconds
        case JobFailed():
            return FAILED, None
        case JobDiscarded():
            return DISCARDED, notice.seconds
        case JobCancelled():
            return CANCELLED, notice.seconds
        case JobConflicted():
            return INTERRUPTED, notice.seconds
        case JobSnoozed():
            return SNOOZED, notice.seconds
        case JobDeferred():
            return DEFERRED, None
        case JobReleased():
            return INTERRUPTED, None
        case _:
            assert_never(notice)


def begin_of(step: Step, moment: datetime) -> datetime:
    """Return the beginning of the minute, hour or day that contains *moment*."""
    return moment - (moment - _EPOCH) % STEPS[step]


def periods_of(moment: datetime, process: str) -> set[Period]:
    """Return the minute, hour and day of *process* that contain *moment*."""
    return {(step, begin_of(step, moment), process) for step in STEPS}


def coarsest(since: datetime, now: datetime, *, finest: Step) -> Iterator[tuple[Step, datetime, datetime]]:
    """Yield the periods that make up the time from *since* until *now*, in the longest possible steps.

    From 22:58 on the day before these are two minutes, an hour, and what there is of today.
    """
    steps = list(STEPS)[list(STEPS).index(finest) :]
    begin = begin_of(finest, since)
    for step, longer in pairwise(steps):
        end = begin_of(longer, begin + STEPS[longer] - _MOMENT)
        if end >= now:
            yield step, begin, now
            return
        if begin < end:
            yield step, begin, end
        begin = end
    yield steps[-1], begin, now


def _milliseconds(bucket: int) -> int:
    """Return the lower bound of a bucket."""
    return bucket if bucket < 8 else (bucket % 4 + 4) << (bucket // 4 - 1)
