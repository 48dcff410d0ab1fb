"""Letting schedules tick in a test, as a worker does it, at the time of the jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol, cast

from mongojobs.app import MongoJobs
from mongojobs.app.scheduling import declared_specs
from mongojobs.core.job import READY, RUNNING, Document, Job, JobId
from mongojobs.enqueuing.enqueuer import Enqueuer
from mongojobs.schedules.schedule import Schedule, Tick, to_schedule
from mongojobs.schedules.store import CANCELLING, Edit, ScheduleStore
from mongojobs.schedules.ticks import TickEnqueuer, Ticks
from mongojobs.testing.memory import MovableClock

NAME: Final = "mongojobs.testing"
"""The name of the worker that plugins see."""


class TickedMode(Protocol):
    """What is needed of a mode."""

    clock: MovableClock

    @property
    def name(self) -> str:
        """Whether it is ``fake`` or ``real``."""
        ...

    @property
    def app(self) -> MongoJobs:
        """The app whose schedules they are."""
        ...

    def enqueuer(self) -> Enqueuer:
        """Return what turns calls into jobs of this mode."""
        ...

    def get(self, job_id: JobId) -> Job | None:
        """Return a job as it is now."""
        ...

    def cancel(self, job_id: JobId, /, *, by: str, why: str) -> Job:
        """Cancel a job, even a running one."""
        ...


class Ticking:
    """The schedules of a mode: stored as at its beginning, at their first tick."""

    def __init__(self, mode: TickedMode) -> None:
        self._mode = mode
        self._begun: Ticks | None = None

    def tick(self, until: datetime | None) -> int:
        """Enqueue what is due, and what will be up to *until*, each at its time; return how many ticks that were."""
        ticks = self._begun = self._begun or self._begin()
        before = _enqueued(ticks)
        next_at = ticks.tick()
        while until is not None and next_at is not None and next_at <= until:
            self._move_to(next_at)
            next_at = ticks.tick()
        if until is not None:
            self._move_to(until)
        return _enqueued(ticks) - before

    def _begin(self) -> Ticks:
        app, clock = self._mode.app, self._mode.clock
        is_fake = self._mode.name == "fake"
        memory = cast(ScheduleStore, MemorySchedules(self._mode))
        ticks = Ticks(
            memory if is_fake else ScheduleStore(app.store.collection, clock),
            TickEnqueuer(self._mode.enqueuer(), app.payloads),
            app.lifecycle,
            cancel=self._mode.cancel,
            declared=declared_specs(app.payloads),
            worker=NAME,
        )
        moved, clock.moved = clock.moved, timedelta(0)
        try:
            ticks.declare()
        finally:
            clock.moved = moved
        return ticks

    def _move_to(self, moment: datetime) -> None:
        self._mode.clock.moved += max(moment - self._mode.clock.now(), timedelta(0))


class MemorySchedules:
    """The schedules of ``fake`` mode, with the methods of ``ScheduleStore`` that a tick calls."""

    def __init__(self, mode: TickedMode) -> None:
        self.clock: MovableClock = mode.clock
        self._mode = mode
        self._documents: dict[str, Document] = {}

    def get(self, name: str) -> Schedule | None:
        """Return the schedule called *name*, or None."""
        found = self._documents.get(name)
        return None if found is None else to_schedule(found)

    def all(self) -> list[Schedule]:
        """Return all of them."""
        return [to_schedule(found) for found in self._documents.values()]

    def due(
        self, _declared: Collection[str], *, now: datetime, limit: int, but: Collection[str] = ()
    ) -> list[Schedule]:
        """Return those that are due, but those in *but*."""
        due = [one for one in self.all() if one.next_run_at is not None and one.next_run_at <= now]
        return [one for one in due if one.name not in but][:limit]

    def next_run_at(self, _declared: Collection[str], *, after: datetime) -> datetime | None:
        """Return when the first of them is due that is not due by *after*."""
        return min((one.next_run_at for one in self.all() if one.next_run_at and one.next_run_at > after), default=None)

    def living(self, job_ids: Iterable[str]) -> dict[str, str]:
        """Return those of the jobs that have not ended, with their states."""
        found = [job for job_id in job_ids if (job := self._mode.get(job_id)) is not None]
        living = [job for job in found if job.state in (READY, RUNNING)]
        return {str(job.id): CANCELLING if job.cancelling else job.state for job in living}

    def advance(self, schedule: Schedule, change: Document, ticks: Sequence[Tick]) -> bool:
        """Set what is in *change*, and add *ticks* to the ledger and the totals."""
        document = self._documents[schedule.name]
        totals = dict(schedule.totals)
        for one in ticks:
            totals[one.result] = totals.get(one.result, 0) + one.number
        entries = [*document.get("ticks", []), *(one.stored() for one in ticks)]
        document |= change | {"totals": totals, "ticks": entries}
        return True

    def edit(self, name: str, edit: Edit) -> Schedule | None:
        """Set what *edit* says of the schedule as it is."""
        change = edit(self.get(name))
        if change is not None:
            self._documents[name] = self._documents.get(name, {"_id": name}) | change
        return self.get(name)


def _enqueued(ticks: Ticks) -> int:
    return sum(schedule.enqueued for schedule in ticks.store.all())
