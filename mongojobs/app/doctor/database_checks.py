"""What can be wrong with the jobs, the workers and the server. Each check is bounded in time and in what it reads."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from pymongo import ReadPreference

from mongojobs.app.declarations import declared_jobs
from mongojobs.app.doctor.findings import Finding, advice, fault
from mongojobs.app.why import first_line
from mongojobs.core.clock import Clock
from mongojobs.core.errors import DOCS
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.words.durations import format_duration
from mongojobs.core.words.wording import ago, counted
from mongojobs.payload.calls.handler import Payloads
from mongojobs.schedules.report import ScheduleReport
from mongojobs.schedules.store import ScheduleStore
from mongojobs.store.clients import Client, topology
from mongojobs.store.indexes import check_indexes
from mongojobs.store.jobs import JobStore, QueueSelector
from mongojobs.store.pauses import PauseStore
from mongojobs.store.reader.job_reader import JobReader
from mongojobs.store.reader.survey import MOST_JOBS, JobKind, SurveyedState
from mongojobs.store.workers import WorkerStatus, WorkerStore
from mongojobs.version import __version__

LARGE_BYTES: Final = 100 * 1024
LONG_PAUSE: Final = timedelta(days=1)
MOST_SKEW: Final = timedelta(seconds=5)
_MOST_QUEUES: Final = 100
_MOST_NAMED: Final = 5
_MOST_SCHEDULES: Final = 1_000

_CANNOT_HOLD_JOBS: Final = {
    "capped": "capped: the oldest jobs are silently overwritten when it is full, and none can be deleted",
    "timeseries": "a time series: its documents can hardly be updated, and a job is updated at each step of its life",
    "view": "a view: it shows what other collections hold, and nothing can be stored in it",
}
_HARMFUL_OPTIONS: Final = {
    "expireAfterSeconds": "lets the server delete jobs that have not run: it is a TTL index",
    "unique": "lets the server refuse jobs: it is unique",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorContext:
    """Everything examined: the jobs, their workers, the app's own client, and the clock of this machine."""

    store: JobStore
    reader: JobReader
    workers: WorkerStore
    pauses: PauseStore
    payloads: Payloads
    app_client: Client
    named: str | None
    """What was imported as the app, if anything was."""
    wall: Clock
    _kinds: dict[SurveyedState, list[JobKind]] = field(default_factory=dict)

    def kinds(self, state: SurveyedState) -> list[JobKind]:
        """Return the kinds of jobs in *state*, which several checks look at."""
        if state not in self._kinds:
            self._kinds[state] = self.reader.kinds(state)
        return self._kinds[state]


def of_clock(patient: DoctorContext) -> Iterator[Finding]:
    """Compare the clocks of this machine and the server."""
    skew = patient.wall.now() - patient.store.clock.now()
    if abs(skew) >= MOST_SKEW:
        where = "ahead of" if skew > timedelta(0) else "behind"
        yield fault(
            "clock",
            f"the clock of this machine is {format_duration(abs(skew))} {where} the database's: any run_at"
            " that your code computes here is off by as much",
            "let NTP set the clock (timedatectl set-ntp true), or use run_in instead of run_at",
        )


def of_server(patient: DoctorContext) -> Iterator[Finding]:
    """Check what kind of server it is."""
    if topology(patient.store.collection.database.client) == "standalone":
        yield advice(
            "standalone",
            "the server is no replica set: a lost disk loses all jobs, and idle workers must poll",
            "make it a replica set, of one node at least: start mongod with --replSet and run rs.initiate()",
        )


def of_indexes(patient: DoctorContext) -> Iterator[Finding]:
    """Compare the indexes with those required."""
    report = check_indexes(patient.store.collection)
    missing = report.with_status("missing")
    if missing:
        names = ", ".join(one.index.name for one in missing)
        harm = ["everything is slow"] if any(not one.index.is_unique for one in missing) else []
        harm += ["unique jobs are refused"] if any(one.index.is_unique for one in missing) else []
        text = f"indexes are missing: {names}; {' and '.join(harm)} without them"
        yield fault("indexes", text, "run: mongojobs create-indexes")
    for different in report.with_status("different"):
        yield fault("indexes", f"the index {different.index.name} is not the one needed", different.remedy)
    for limit in report.limits:
        yield advice("sharded", f"the collection is sharded: {limit}", f"see {DOCS}/sharding.md")


def of_collection(patient: DoctorContext) -> Iterator[Finding]:
    """Check the kind of collection, and other people's indexes that delete or refuse jobs."""
    name = patient.store.collection.name
    kind = patient.reader.collection_type()
    if kind != "collection":
        yield fault(
            "collection_type",
            f"the collection {name} is {_CANNOT_HOLD_JOBS.get(kind, kind)}",
            "name another one in the setting collection, and run: mongojobs create-indexes",
        )
        return
    for index in patient.reader.foreign_indexes():
        for option, harm in _HARMFUL_OPTIONS.items():
            if option in index:
                yield fault(
                    "foreign_index",
                    f"the index {index['name']} of the collection {name} {harm}",
                    f'drop it: db.{name}.dropIndex("{index["name"]}")',
                )


def of_app_client(patient: DoctorContext) -> Iterator[Finding]:
    """Check the options of the app's own client, with which it enqueues."""
    options = patient.app_client.options
    if not options.retry_writes:
        yield fault(
            "retry_writes",
            "the app's client does not retry writes: an enqueue during a failover raises EnqueueUnknownError",
            "take retryWrites=false out of the URI or of connect()",
        )
    if patient.app_client.read_preference != ReadPreference.PRIMARY:
        yield advice(
            "read_preference",
            f"the app's client reads with the preference {patient.app_client.read_preference.name}: a job that runs at"
            " once may not find what was saved just before it was enqueued",
            "read from the primary in jobs: take readPreference out of the URI or of connect()",
        )


def of_unknown_jobs(patient: DoctorContext) -> Iterator[Finding]:
    """Look for stored jobs that the code here could not run."""
    if patient.named and not declared_jobs():
        yield fault(
            "no_jobs",
            f"{patient.named} declares no jobs: a worker started like this can run none",
            "name the modules that declare them: --import shop.jobs, or the setting imports",
        )
        return
    if patient.payloads.codec.registry.is_empty and not patient.named:
        yield advice(
            "no_app",
            "no app is named, so stored jobs were not compared with the code",
            "name the module that declares the jobs: mongojobs --app shop doctor",
        )
        return
    for state in ("ready", "failed"):
        unknown = [kind for kind in patient.kinds(state) if patient.payloads.problem(kind.handler)]
        for kind in unknown[:_MOST_NAMED]:
            yield fault("unknown_job", *_about_unknown(patient, kind, state))


def of_odd_states(patient: DoctorContext) -> Iterator[Finding]:
    """Look for jobs in states that this version does not know: no worker takes them, and no list shows them."""
    for odd in patient.reader.odd_states()[:_MOST_NAMED]:
        yield fault(
            "odd_state",
            f"{counted(odd.jobs, 'job')} in the unknown state {odd.state!r:.100} will never run (one is {odd.example})",
            f"look at it: mongojobs jobs show {odd.example}; unless a newer mongojobs put it there, enqueue it again,"
            f" and then: mongojobs jobs delete {odd.example}",
        )


def of_deferred_jobs(patient: DoctorContext) -> Iterator[Finding]:
    """Look for jobs that workers have met and could not load."""
    for one in patient.reader.deferred(limit=MOST_JOBS)[:_MOST_NAMED]:
        yield fault(
            "deferred_jobs",
            f"{counted(one.jobs, 'job')} of {one.name} could not be loaded by any worker that has found them since"
            f" {one.since:%Y-%m-%d %H:%M} UTC: {first_line(one.reason)}",
            "start workers that know them: name the module that declares them with -A, or in the setting imports",
        )


def of_large_jobs(patient: DoctorContext) -> Iterator[Finding]:
    """Look for payloads that are too large, or large enough to slow everything down."""
    most = patient.store.settings.max_payload_bytes
    large = [kind for kind in patient.kinds("ready") if kind.most_bytes > min(LARGE_BYTES, most)]
    for kind in sorted(large, key=lambda kind: -kind.most_bytes)[:_MOST_NAMED]:
        text = f"jobs of {kind.name} carry up to {kind.most_bytes:,} bytes (one is {kind.example})"
        remedy = "store the data in a document or a file, and pass its id to the job"
        if kind.most_bytes > most:
            yield fault("large_job", f"{text}, more than max_payload_bytes ({most:,}) allows", remedy)
        else:
            yield advice("large_job", text, remedy)


def of_abandoned_jobs(patient: DoctorContext) -> Iterator[Finding]:
    """Look for running jobs whose lease expired long ago and that no worker has taken back."""
    lease = patient.store.settings.lease
    number = patient.reader.count_stuck(longer_than=lease, limit=MOST_JOBS)
    if number:
        jobs = f"{number:,} or more running jobs" if number == MOST_JOBS else counted(number, "running job")
        yield fault(
            "abandoned_jobs",
            f"{jobs} lost their worker more than {format_duration(lease)} ago, and no other has taken them back",
            "start a worker for any queue: mongojobs work; if some are running, their log says why they cannot rescue",
        )


def of_waiting_queues(patient: DoctorContext) -> Iterator[Finding]:
    """Look for queues with due jobs to which no worker listens."""
    workers, paused = patient.workers.alive(), {pause.queue for pause in patient.pauses.all()}
    for queue in patient.store.ready_queues()[:_MOST_QUEUES]:
        listening = [worker for worker in workers if worker.listens_to_queue(queue)]
        unserved = _unserved(queue, [worker for worker in listening if worker.state == "working"])
        if queue not in paused and any(patient.store.has_due(wanted) for wanted in unserved):
            yield fault(
                "no_worker",
                f"jobs of the queue {queue!r} are due, and {_who_is_missing(workers, listening)}",
                f"start one: mongojobs work --queues {shlex.quote(queue)}",
            )


def of_pauses(patient: DoctorContext) -> Iterator[Finding]:
    """Look for queues that somebody paused and forgot."""
    now = patient.store.clock.now()
    for pause in patient.pauses.all():
        if pause.until is None and now - pause.since > LONG_PAUSE:
            since = f"for {counted((now - pause.since).days, 'day')}{f' ({pause.reason})' if pause.reason else ''}"
            yield fault(
                "long_pause",
                f"the queue {pause.queue!r} has been paused {since}, with no end set",
                f"resume it, if it was forgotten: mongojobs queues resume {shlex.quote(pause.queue)}",
            )


def of_schedules(patient: DoctorContext) -> Iterator[Finding]:
    """Look for schedules that are not due any more though they should be, among the first by name."""
    alive, now = patient.workers.alive(), patient.store.clock.now()
    for schedule in ScheduleStore(patient.store.collection, patient.store.clock).all(limit=_MOST_SCHEDULES):
        declarers = tuple(worker.name for worker in alive if schedule.name in worker.schedules)
        report = ScheduleReport(schedule=schedule, at=now, declarers=declarers, jobs={})
        name = shlex.quote(schedule.name)
        if report.state == "damaged":
            yield fault(
                "damaged_schedule",
                f"the schedule {schedule.name!r} cannot be read: {schedule.problem}",
                "restart a worker whose code declares it, which repairs it"
                if schedule.source == "code"
                else f"remove it and make it again: mongojobs schedules remove {name}",
            )
        elif report.state == "orphaned":
            yield advice(
                "orphaned_schedule",
                f"the schedule {schedule.name!r} is not due any more: no living worker's code declares it",
                f"start a worker with its code, or remove it: mongojobs schedules remove {name}",
            )
        elif report.is_overdue:
            yield fault(
                "overdue_schedule",
                f"the schedule {schedule.name!r} was due {ago(schedule.next_run_at, now)}, and nobody enqueued its job",
                "start a worker without --no-schedules that knows its job, and look at its warnings",
            )


def of_workers(patient: DoctorContext) -> Iterator[Finding]:
    """Check that the workers run this version."""
    others = sorted({worker.version for worker in patient.workers.alive()} - {__version__})
    if others:
        yield advice(
            "other_versions",
            f"workers of the version {', '.join(others)} are alive beside this {__version__}",
            "nothing, if a deploy is under way; otherwise restart them",
        )


Check = Callable[[DoctorContext], Iterable[Finding]]

CHECKS: Final[tuple[Check, ...]] = (
    of_clock,
    of_server,
    of_indexes,
    of_collection,
    of_app_client,
    of_unknown_jobs,
    of_odd_states,
    of_deferred_jobs,
    of_large_jobs,
    of_abandoned_jobs,
    of_waiting_queues,
    of_pauses,
    of_schedules,
    of_workers,
)
TOLD_BY_QUEUES: Final[frozenset[Check]] = frozenset({of_deferred_jobs, of_waiting_queues, of_pauses})
"""What somebody sees anyway who is shown deferred jobs, and all queues with their workers and pauses."""


def _about_unknown(patient: DoctorContext, kind: JobKind, state: str) -> tuple[str, str]:
    text = (
        f"{counted(kind.jobs, f'{state} job')} of {kind.name} cannot be run by this code:"
        f" {patient.payloads.problem(kind.handler)} (one is {kind.example})"
    )
    if state == "ready":
        return text, "declare it again, perhaps under aliases, or import its module with --import, or delete the jobs"
    return text, "declare it again and run `mongojobs jobs retry ID`, or delete the jobs"


def _unserved(queue: str, workers: Iterable[WorkerStatus]) -> Iterator[QueueSelector]:
    """Yield the parts of *queue*, as ranges of priorities, that none of *workers* takes."""
    free = LOWEST_PRIORITY
    for lowest, highest in sorted(worker.priorities for worker in workers):
        if lowest > free:
            yield QueueSelector(queues=(queue,), min_priority=free, max_priority=lowest - 1)
        free = max(free, highest + 1)
    if free <= HIGHEST_PRIORITY:
        yield QueueSelector(queues=(queue,), min_priority=free)


def _who_is_missing(workers: Sequence[WorkerStatus], listening: Sequence[WorkerStatus]) -> str:
    if not workers:
        return "no worker is alive"
    if not listening:
        return "none of the workers that are alive listens to it"
    if all(worker.state != "working" for worker in listening):
        return "all workers that listen to it are quiet or stopping"
    return "none of the workers that listen to it takes their priority"
