"""What an app does with schedules: it makes them, lists them and gives handles of them.

The room ``schedules`` and what it needs are imported when somebody uses one: most processes only enqueue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Unpack

from mongojobs.app.cancelling import cancel_one
from mongojobs.core.errors import ScheduleError, StoreUnavailableError
from mongojobs.core.job import Document
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.enqueuing.enqueuer import Enqueuer
from mongojobs.payload.calls.handler import Payloads
from mongojobs.store.actions.job_actions import JobActions
from mongojobs.store.faults import plain_errors
from mongojobs.store.jobs import JobStore
from mongojobs.store.workers import WorkerStore

if TYPE_CHECKING:
    from mongojobs.schedules.declared import EveryOptions
    from mongojobs.schedules.handle import ScheduleHandle
    from mongojobs.schedules.report import ScheduleCounts, ScheduleReport
    from mongojobs.schedules.schedule import Schedule
    from mongojobs.schedules.store import ScheduleStore
    from mongojobs.schedules.ticks import TickEnqueuer, Ticks

_MOST_UNFINISHED: Final = 10
"""Of the jobs of a schedule that may not have ended, so many are looked at."""


class SchedulesOfApp:
    """The part of an app that is about schedules."""

    @property
    def store(self) -> JobStore:
        """The life of the jobs in their collection."""
        raise NotImplementedError

    @property
    def payloads(self) -> Payloads:
        """The way of values into payloads and back."""
        raise NotImplementedError

    @property
    def worker_store(self) -> WorkerStore:
        """The list of workers."""
        raise NotImplementedError

    lifecycle: Lifecycle

    @property
    def schedule_store(self) -> ScheduleStore:
        """The schedules in their collection."""
        from mongojobs.schedules.store import ScheduleStore

        return ScheduleStore(self.store.collection, self.store.clock)

    @plain_errors()
    def schedule(
        self,
        name: str,
        job: object,
        *,
        cron: str | None = None,
        every: object = None,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        by: str | None = None,
        **said: Unpack[EveryOptions],
    ) -> ScheduleHandle:
        """Make *job* recur from now on, or change the schedule called *name* if there is one; return its handle.

        *job* is a job function, a method of a saved document or of a class, or a job object. Give *cron* or *every*,
        and what ``@every`` takes. Raises ScheduleError, EnqueueError, StoreUnavailableError.
        """
        from mongojobs.schedules.declared import DeclaredSchedule, call_of, split
        from mongojobs.schedules.declaring import changes, new
        from mongojobs.schedules.definition import one_expression, schedule_name

        when = one_expression(cron, every)
        definition, options = split(when, dict(said))
        call = call_of(job, args, kwargs or {})
        declared = DeclaredSchedule(name=schedule_name(name), definition=definition, call=lambda: call, options=options)
        spec, now = declared.stored(self.payloads), self.store.clock.now()

        def edit(found: Schedule | None) -> Document:
            if found is None:
                return new(name, spec, source="operator", now=now)
            if found.source == "code":
                raise ScheduleError(
                    f"the schedule {name!r} is declared in code: change it with schedule_of({name!r}).edit(...)"
                )
            changed = {field: value for field, value in spec.items() if found.spec.get(field) != value}
            return changes(found, changed, now=now) | ({"edited": {"all": {"at": now, "by": by or ""}}} if by else {})

        self.schedule_store.edit(name, edit)
        self.worker_store.wake()
        return self.schedule_of(name)

    @plain_errors()
    def schedules(self) -> list[Schedule]:
        """Return all schedules, by name. Raises StoreUnavailableError."""
        return self.schedule_store.all()

    @plain_errors()
    def schedule_reports(self, name: str | None = None) -> list[ScheduleReport]:
        """Return what people are shown of the schedules, or of the one called *name*, each with its last job.

        Of one, with all jobs of its ledger. Raises ScheduleError where there is none of this *name*.
        """
        from mongojobs.schedules.schedule import MOST_TICKS

        if name is None:
            return self._reports(self.schedules(), latest=1)
        return self._reports([self.schedule_of(name).get()], latest=MOST_TICKS)

    @plain_errors()
    def some_schedule_reports(self, *, after: str = "", limit: int) -> list[ScheduleReport]:
        """Return the reports of the first *limit* schedules whose names come after *after*."""
        return self._reports(self.schedule_store.all(after=after, limit=limit), latest=1)

    def schedule_counts(self) -> ScheduleCounts | None:
        """Return how many schedules there are; None for none, and where they may not be read.

        Raises StoreUnavailableError.
        """
        from mongojobs.schedules.report import ScheduleCounts

        try:
            found = self.schedules()
            with plain_errors():
                return ScheduleCounts.of(self._reports(found, latest=1)) if found else None
        except StoreUnavailableError as error:
            if error.refused:
                return None
            raise

    def _reports(self, found: Sequence[Schedule], *, latest: int) -> list[ScheduleReport]:
        from mongojobs.schedules.report import ScheduleReport

        ids = {schedule.name: _job_ids(schedule, latest) for schedule in found}
        jobs = self.schedule_store.jobs({job_id for some in ids.values() for job_id in some})
        workers, now = self.worker_store.alive(), self.store.clock.now()
        return [
            ScheduleReport(
                schedule=schedule,
                at=now,
                declarers=tuple(worker.name for worker in workers if schedule.name in worker.schedules),
                jobs={job_id: jobs[job_id] for job_id in ids[schedule.name] if job_id in jobs},
            )
            for schedule in found
        ]

    def schedule_of(self, name: str) -> ScheduleHandle:
        """Return the handle of the schedule called *name*, whether there is one or not."""
        from mongojobs.schedules.definition import schedule_name
        from mongojobs.schedules.handle import ScheduleHandle, Scheduling

        return ScheduleHandle(
            schedule_name(name),
            Scheduling(
                store=self.schedule_store,
                payloads=self.payloads,
                enqueuer=tick_enqueuer(self.store, self.payloads, self.lifecycle),
                wake=self.worker_store.wake,
                declarers=self.declarers,
            ),
        )

    def declarers(self, name: str) -> list[str]:
        """Return the names of the living workers whose code declares the schedule called *name*."""
        return [worker.name for worker in self.worker_store.alive() if name in worker.schedules]


def _job_ids(schedule: Schedule, latest: int) -> list[str]:
    """Return the ids of the *latest* jobs of *schedule*, and of the last that may not have ended."""
    from mongojobs.schedules.schedule import tick_id

    ticks = [tick for tick in schedule.ticks if tick.result in ("enqueued", "by hand")]
    unfinished = schedule.unfinished[-_MOST_UNFINISHED:]
    return [*unfinished, *(tick_id(schedule.name, tick.at) for tick in ticks[-latest:])]


def due_of(app: SchedulesOfApp, name: str) -> tuple[str | timedelta, str] | None:
    """Return when the schedule called *name* is due, by a cron expression or a duration, and in what time zone."""
    from mongojobs.schedules.times.interval import Interval

    with plain_errors():
        found = app.schedule_store.get(name)
    if found is None or found.definition is None:
        return None
    due = found.definition.due
    return (due.every if isinstance(due, Interval) else due.text), found.definition.tz.key


def tick_enqueuer(store: JobStore, payloads: Payloads, lifecycle: Lifecycle) -> TickEnqueuer:
    """Return what enqueues the jobs of ticks into *store*, whatever ``delay_jobs`` says."""
    from mongojobs.schedules.ticks import TickEnqueuer

    settings = store.settings.changed(delay_jobs=True)
    enqueuer = Enqueuer(store=lambda: store, payloads=payloads, settings=settings, lifecycle=lifecycle)
    return TickEnqueuer(enqueuer, payloads)


def ticks_of(app: SchedulesOfApp, store: JobStore, *, worker: str) -> Ticks:
    """Return what a worker ticks the schedules of *app* with, in its own *store*.

    Raises RegistrationError and EnqueueError for what code declares wrongly.
    """
    from mongojobs.schedules.store import ScheduleStore
    from mongojobs.schedules.ticks import Ticks

    actions = JobActions(store.queries)
    return Ticks(
        ScheduleStore(store.collection, store.clock),
        tick_enqueuer(store, app.payloads, app.lifecycle),
        app.lifecycle,
        cancel=lambda job_id, **given: cancel_one(actions, job_id, running=True, given=given),
        declared=declared_specs(app.payloads),
        worker=worker,
    )


def declared_specs(payloads: Payloads) -> dict[str, Document]:
    """Return what the code of this process says of schedules, by name, as it is stored; raises as ``ticks_of`` does."""
    from mongojobs.schedules.declared import schedules

    return {schedule.name: schedule.stored(payloads) for schedule in schedules.all()}
