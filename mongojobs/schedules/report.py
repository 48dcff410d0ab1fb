"""What people are shown of a schedule: its state in a word, its words, its last run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mongojobs.core.errors import ScheduleError
from mongojobs.core.job import Job
from mongojobs.schedules.planning import LATE
from mongojobs.schedules.schedule import Schedule, Tick, tick_id
from mongojobs.schedules.times.explain import in_words
from mongojobs.schedules.times.notes import notes
from mongojobs.store.filters import EPOCH

ScheduleState = Literal["due", "waiting", "late", "orphaned", "paused", "over", "damaged"]
"""``due`` at its next time; ``waiting`` for its job to end; ``late`` by a minute or more; ``orphaned``: the code of no
living worker declares it; and so on."""

LETTERS: Mapping[str, str] = {"enqueued": "E", "skipped": "S", "missed": "M", "by hand": "H", "backfilled": "B"}
"""What stands for the results of ticks in a strip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleReport:
    """A schedule *at* a moment, with the living workers whose code declares it, and its jobs that are still there."""

    schedule: Schedule
    at: datetime
    declarers: tuple[str, ...]
    jobs: Mapping[str, Job]

    @property
    def state(self) -> ScheduleState:
        """Its state in a word, the most important one."""
        schedule = self.schedule
        if schedule.definition is None or schedule.problem:
            return "damaged"
        if schedule.is_paused(self.at):
            return "paused"
        if schedule.next_run_at is None:
            return "over"
        if schedule.source == "code" and not self.declarers:
            return "orphaned"
        if schedule.next_run_at > self.at - LATE:
            return "due"
        return "waiting" if schedule.definition.overlap in ("queue", "cancel") and self.is_unfinished else "late"

    @property
    def is_overdue(self) -> bool:
        """Whether a tick was not enqueued within its window."""
        schedule = self.schedule
        if schedule.definition is None or schedule.next_run_at is None or schedule.is_paused(self.at):
            return False
        return schedule.next_run_at + schedule.definition.window < self.at

    @property
    def is_unfinished(self) -> bool:
        """Whether a job of it waits or runs."""
        return any(job.state in ("ready", "running") for job in self.jobs.values())

    @property
    def words(self) -> str:
        """When it is due, in words."""
        return "" if self.schedule.definition is None else in_words(self.schedule.definition.due)

    @property
    def tz(self) -> str:
        """Its zone."""
        return "" if self.schedule.definition is None else self.schedule.definition.tz.key

    @property
    def strip(self) -> str:
        """The last ticks, a letter each."""
        return "".join(LETTERS[tick.result] for tick in self.schedule.ticks)

    @property
    def last(self) -> tuple[Tick, Job | None] | None:
        """The last tick that became a job, and the job, if it is still there."""
        ticks = [tick for tick in self.schedule.ticks if tick.result in ("enqueued", "by hand")]
        return (ticks[-1], self.job_of(ticks[-1])) if ticks else None

    @property
    def notes(self) -> list[str]:
        """Warnings: surprises in its times, and what is wrong with it."""
        said = self.schedule.definition
        if said is None or self.schedule.problem:
            return [self.schedule.problem]
        orphaned = "no living worker declares it, so it is not due: remove it, or start a worker with its code"
        return [*([orphaned] if self.state == "orphaned" else []), *notes(said.due, said.tz, now=self.at)]

    def job_of(self, tick: Tick) -> Job | None:
        """Return the job of *tick*, if it is still there."""
        return self.jobs.get(tick_id(self.schedule.name, tick.at))

    def next_times(self, number: int) -> list[datetime]:
        """Return when it will be due next."""
        due: list[datetime] = []
        at = self.schedule.next_run_at
        while at is not None and len(due) < number:
            due.append(at)
            at = self._after(at)
        return due

    def _after(self, moment: datetime) -> datetime | None:
        try:
            return self.schedule.next_after(moment)
        except ScheduleError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCounts:
    """How many schedules there are, how many of them are in states that people ask for, and which is *next*, if any."""

    total: int
    late: int
    paused: int
    orphaned: int
    next: Schedule | None

    @classmethod
    def of(cls, reports: Sequence[ScheduleReport]) -> ScheduleCounts:
        """Count *reports*."""
        states = Counter(report.state for report in reports)
        due = [report.schedule for report in reports if report.state == "due"]
        return cls(
            total=len(reports),
            late=states["late"],
            paused=states["paused"],
            orphaned=states["orphaned"],
            next=min(due, key=lambda schedule: schedule.next_run_at or EPOCH, default=None),
        )
