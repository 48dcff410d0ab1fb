"""Turning a call and its options into a stored job, or running it at once if ``delay_jobs`` says so."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import compress
from typing import Any, Protocol, TypeVar

import bson

from mongojobs.core.calling import ran
from mongojobs.core.clock import Clock, SystemClock
from mongojobs.core.errors import DuplicateJobError, EnqueueUnknownError, OptionError, QueueFullError
from mongojobs.core.inside.home import Home
from mongojobs.core.job import Job, JobId
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.limits import LONGEST_NAME
from mongojobs.core.settings import Settings
from mongojobs.enqueuing.enqueue_hook import hooked
from mongojobs.enqueuing.ids import job_ids
from mongojobs.enqueuing.inline import Inline, Remembered
from mongojobs.enqueuing.options import NO_OPTIONS, Options, checked
from mongojobs.enqueuing.telling import Telling
from mongojobs.enqueuing.uniqueness import Rules, rules_of
from mongojobs.payload.calls.handler import Call, FunctionCall, Payloads
from mongojobs.payload.documents.locations import asking_within
from mongojobs.payload.precedence import applying
from mongojobs.payload.registry import Declaration
from mongojobs.results.results import Results
from mongojobs.results.watch import Watch
from mongojobs.store.faults import DatabaseError, describe, not_stored
from mongojobs.store.time_limits import Budget
from mongojobs.unique.terms import Terms

T = TypeVar("T")

LARGEST_META_BYTES = 16 * 1024


class Store(Protocol):
    """What an enqueuer needs from a store."""

    @property
    def clock(self) -> Clock:
        """Tell the time of the jobs."""
        ...

    @property
    def collection(self) -> Any:
        """Hold the jobs."""
        ...

    def insert(self, job: Job, *, session: Any = None) -> bool:
        """Store *job*; False if its id was there already."""
        ...

    def insert_many(self, jobs: Sequence[Job], *, session: Any = None) -> None:
        """Store *jobs* in one round trip."""
        ...

    def insert_unique(self, job: Job, terms: Terms, *, session: Any = None) -> Job:
        """Store *job*, or return the one that holds its unique key."""
        ...

    def insert_many_unique(self, jobs: Sequence[Job], terms: Terms, *, session: Any = None) -> dict[JobId, Job]:
        """Store *jobs* in one go; return of each duplicate, by its id, which job it is of."""
        ...

    def held_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of these unique *keys* that jobs hold."""
        ...

    def get(self, job_id: JobId) -> Job | None:
        """Return a stored job."""
        ...

    def unfinished(self, job_ids: Collection[JobId]) -> set[JobId]:
        """Return the ids of jobs that have yet to end."""
        ...

    def ends(self) -> Any:
        """Open a stream of the ends of jobs, if there are streams."""
        ...

    def count_queued(self, queue: str, *, limit: int) -> int:
        """Count the jobs of a queue that have yet to run, up to *limit*."""
        ...


class Enqueuer:
    """Stores the calls of one app.

    All that a call asks the database on its way takes no longer than ``enqueue_timeout`` together; the code of hooks
    and plugins does not count.
    """

    def __init__(
        self,
        *,
        store: Callable[[], Store],
        payloads: Payloads,
        settings: Settings,
        lifecycle: Lifecycle,
        remembered: Remembered | None = None,
        home: Home[Job] | None = None,
    ) -> None:
        self._store = store
        self._payloads = payloads
        self._settings = settings
        self._lifecycle = lifecycle
        self._telling = Telling(lifecycle)
        self._inline = Inline(payloads, settings, lifecycle, remembered or Remembered())
        self.home: Home[Job] = home or Results(lambda job: store().get(job.id), payloads.codec, Watch(store))
        """Where the jobs are asked about that are enqueued here."""
        self._of_functions: dict[str, tuple[Declaration, dict[str, Any], Rules | None]] = {}
        """What all jobs of a function share that are enqueued without options."""

    @property
    def collection(self) -> Any:
        """The PyMongo collection that holds the jobs."""
        return self._store().collection

    def enqueue(self, call: Call, options: Options) -> Job:
        """Store *call* as a job and return it.

        With a ``job_id`` that is in the collection already nothing is changed, and the job there is returned. Raises
        EnqueueError (nothing stored), EnqueueUnknownError (perhaps stored), StoreUnavailableError (not stored).
        """
        budget = Budget(self._settings.enqueue_timeout)
        fields, rules = self._shared(call, options)
        fields["handler"] = self._dumped(partial(self._payloads.dump, call), options, budget)
        terms = None
        if rules is not None:
            terms = rules.terms
            fields |= rules.key(call, fields["handler"], self._payloads.codec)
        now = self._now(budget)
        fields |= _dates(options, terms, now)
        if options.job_id is None:
            fields["id"] = job_ids.take(1, now)[0]
        else:
            fields |= {"id": options.job_id, "id_given": True}
        job = Job.of(fields)
        made = self._lifecycle.run("enqueue", job, body=lambda: self._enqueue(call, job, options, budget, terms))
        return made if made.home is not None else made.stay(self.home)

    def enqueue_many(self, declaration: Declaration, calls: Sequence[Sequence[object]], options: Options) -> list[Job]:
        """Store calls of one declared function, which share the *options*, in one round trip, and return the jobs.

        All that the jobs share is worked out once. The ``enqueue`` event surrounds each; the one write follows. Raises
        EnqueueError (nothing stored), PartialEnqueueError (some stored).
        """
        if options.job_id is not None:
            raise OptionError(f"job_id identifies one job, but delay_many stores several, got {options.job_id!r}")
        budget = Budget(self._settings.enqueue_timeout)
        shared, rules = self._shared(FunctionCall(declaration), options)
        handlers = self._dumped(partial(self._payloads.dump_all, declaration, calls), options, budget)
        terms, keys = None, [dict[str, Any]()] * len(handlers)
        if rules is not None:
            terms, keys = rules.terms, rules.keys(declaration, calls, handlers, self._payloads.codec)
        now = self._now(budget)
        shared |= _dates(options, terms, now)
        ids = job_ids.take(len(handlers), now)
        jobs = [
            Job.of({**shared, "id": job_id, "handler": handler, **key})
            for job_id, handler, key in zip(ids, handlers, keys, strict=True)
        ]
        return self._enqueue_many(self._let_in(jobs), options, budget, terms)

    def _enqueue_many(self, jobs: list[Job], options: Options, budget: Budget, terms: Terms | None) -> list[Job]:
        decided = [self._is_delayed(job) for job in jobs]
        delayed = list(compress(jobs, decided))
        if delayed:
            self._check_room(delayed, budget)
            if others := self._insert_many(delayed, options, budget, terms):
                jobs = [others.get(job.id, job).stay(self.home) for job in jobs]
                delayed = [job for job in delayed if job.id not in others]
        self._telling.enqueued(delayed)
        return jobs if all(decided) else self._run_all(zip(jobs, decided, strict=True), self._now(budget), terms)

    def _insert_many(
        self, jobs: Sequence[Job], options: Options, budget: Budget, terms: Terms | None
    ) -> Mapping[JobId, Job]:
        """Store *jobs*; return of each duplicate which job it is of."""
        with budget:
            if terms is None:
                self._store().insert_many(jobs, session=options.session)
                return {}
            others = self._store().insert_many_unique(jobs, terms, session=options.session)
        self._telling.merged(jobs, others, terms)
        return others

    def _run_all(self, decided: Iterable[tuple[Job, bool]], now: datetime, terms: Terms | None) -> list[Job]:
        """Run the jobs that are not delayed, each even if another fails; then raise the first error."""
        jobs: list[Job] = []
        errors: list[Exception] = []
        for job, is_delayed in decided:
            try:
                jobs.append(job if is_delayed else self._inline.run(job, now, terms))
            except Exception as error:  # noqa: BLE001 - raised below, when the others have run as they would
                errors.append(error)
        if not errors:
            return jobs
        for further in errors[1:]:
            errors[0].add_note(f"another of these jobs raised {type(further).__name__}: {further!s:.200}")
        raise errors[0]

    def _enqueue(self, call: Call, job: Job, options: Options, budget: Budget, terms: Terms | None) -> Job:
        if call.job_object is not None:
            job = hooked(call.job_object, job, self._meta)
        is_delayed = self._is_delayed(job)
        there = self._there(job, budget, is_delayed=is_delayed) if job.id_given else None
        if there is not None:
            return there
        if not is_delayed:
            return self._inline.run(job, self._now(budget), terms)
        try:
            self._check_room([job], budget)
        except QueueFullError:
            there = self._stored(job, budget) if job.id_given else None
            if there is None:
                raise
            return there
        if terms is not None:
            return self._insert_unique(job, terms, options, budget)
        with budget:
            is_new = self._store().insert(job, session=options.session)
        if is_new:
            self._telling.enqueued([job])
            return job
        return self._stored(job, budget) or job

    def _insert_unique(self, job: Job, terms: Terms, options: Options, budget: Budget) -> Job:
        try:
            with budget:
                stored = self._store().insert_unique(job, terms, session=options.session)
        except DuplicateJobError as error:
            self._telling.refused(job, error)
            raise
        if stored.duplicate:
            self._telling.merged([job], {job.id: stored}, terms)
        else:
            self._telling.enqueued([stored])
        return stored

    def _stored(self, job: Job, budget: Budget) -> Job | None:
        """Return the job already stored under the id of *job*."""
        try:
            with budget.spent():
                return self._store().get(job.id)
        except DatabaseError as error:
            raise EnqueueUnknownError(
                f"the job {job.id} may already be stored, but cannot be read now: {describe(error)}", job_id=job.id
            ) from error

    def _there(self, job: Job, budget: Budget, *, is_delayed: bool) -> Job | None:
        """Return the job with the id of *job* that has already run here or, before running one here, is stored."""
        settings = self._settings
        retention = max(settings.job_id_retention, settings.keep_completed or timedelta(0))
        there = self._inline.remembered.get(job.id, since=self._now(budget) - retention)
        if there is not None or is_delayed or settings.delay_jobs is False:
            return there
        return self._asked(lambda: self._store().get(job.id), budget)

    def _let_in(self, jobs: list[Job]) -> list[Job]:
        """Return those of *jobs* that the plugins allow to be enqueued; a function has no hook of its own."""
        if "enqueue" not in self._lifecycle.watched:
            return jobs
        let_in: list[Job] = []
        for job in jobs:
            self._lifecycle.run("enqueue", job, body=partial(_noted, job, let_in))
        return let_in

    def _check_room(self, jobs: Sequence[Job], budget: Budget) -> None:
        """Raise QueueFullError if *jobs* would make a queue larger than its ``max_size``.

        Two producers that look at the same moment may both find room, so each of them can overshoot by one enqueue.
        """
        for queue, attributes in self._settings.queue_attributes.items():
            max_size, coming = attributes.get("max_size"), [job for job in jobs if job.queue == queue]
            if max_size is None or not coming:
                continue
            room = max_size - self._count(queue, max_size, budget)
            if len(coming) > room and (number := self._number_of_new(coming, budget)) > room:
                raise QueueFullError(
                    f"the queue {queue!r} has no room for {number} more, its max_size is {max_size}: start more"
                    f" workers, enqueue later, or raise max_size in the setting queue_attributes",
                    queue=queue,
                    max_size=max_size,
                )

    def _number_of_new(self, jobs: Sequence[Job], budget: Budget) -> int:
        """Return how many of *jobs* are not the same as another one, whose unique key is held."""
        keys = {job.unique_key for job in jobs if job.unique_key is not None}
        if not keys:
            return len(jobs)
        return len(keys - self._asked(lambda: self._store().held_keys([*keys]), budget))

    def _count(self, queue: str, limit: int, budget: Budget) -> int:
        return self._asked(lambda: self._store().count_queued(queue, limit=limit), budget)

    def _asked(self, ask: Callable[[], T], budget: Budget) -> T:
        try:
            with budget.spent():
                return ask()
        except DatabaseError as error:
            raise not_stored(error) from error

    def _shared(self, call: Call, options: Options) -> tuple[dict[str, Any], Rules | None]:
        """Return the fields, except dates, of all jobs with the same call and *options*, and why they are unique."""
        if options is not NO_OPTIONS or not isinstance(call, FunctionCall):
            return self._decided_fields(call, options), rules_of(call, options)
        declaration, fields, rules = self._of_functions.get(call.declaration.name, (None, {}, None))
        if declaration is not call.declaration:
            fields, rules = self._decided_fields(call, options), rules_of(call, options)
            self._of_functions[call.declaration.name] = call.declaration, fields, rules
        return fields.copy(), rules

    def _decided_fields(self, call: Call, options: Options) -> dict[str, Any]:
        queue: str = self._decided("queue", call, options)
        fields = {
            **options.kept,
            "name": call.name[:LONGEST_NAME],
            "queue": queue,
            "priority": self._decided("priority", call, options, queue=queue),
            "home": self.home,
        }
        for name in ("keep_result", "keep_log"):
            if (kept := self._decided(name, call, options)) is not None:
                fields[name] = kept
        if options.meta is not None:
            fields["meta"] = self._meta(options)
        return fields

    def _dumped(self, dump: Callable[[], T], options: Options, budget: Budget) -> T:
        """Return what *dump* returns; documents that may be unsaved are looked up."""
        try:
            with asking_within(options.session, budget.spent):
                return dump()
        except DatabaseError as error:
            raise not_stored(error) from error

    def _now(self, budget: Budget) -> datetime:
        """Return the server's time, or this machine's if jobs are never stored, as there may be no server."""
        if self._settings.delay_jobs is False:
            return SystemClock().now()
        with budget:
            return self._store().clock.now()

    def _decided(self, name: str, call: Call, options: Options, *, queue: str = "") -> Any:
        """Return the value of *name* for this job, which is stored with it."""
        return applying(
            name,
            getattr(options, name),
            ask=None if call.job_object is None else lambda attribute, _check: _of_object(call, name, attribute),
            declaration=call.declaration,
            settings=self._settings,
            queue=queue,
        )

    def _meta(self, options: Options) -> Mapping[str, Any] | None:
        if options.meta is None:
            return None
        meta: Mapping[str, Any] = self._payloads.codec.encode(dict(options.meta), "meta")
        size = len(bson.encode(meta))
        if size > LARGEST_META_BYTES:
            raise OptionError(f"meta must be at most {LARGEST_META_BYTES} bytes, got {size}")
        return meta

    def _is_delayed(self, job: Job) -> bool:
        """Ask the setting ``delay_jobs``; a function with a parameter gets the job. Source: delayed_job."""
        delay_jobs = self._settings.delay_jobs
        if not callable(delay_jobs):
            return delay_jobs
        return bool(ran("delay_jobs", delay_jobs(job) if inspect.signature(delay_jobs).parameters else delay_jobs()))


def _dates(options: Options, terms: Terms | None, now: datetime) -> dict[str, Any]:
    """Return when a job was created that is made *now*, when it is due, expires, and how long it holds its key."""
    run_at = options.run_at or now + (options.run_in or timedelta(0))
    dates = {"run_at": run_at, "created_at": now}
    if options.expires_at is not None or options.expires_in is not None:
        dates["expires_at"] = _expiry(options, run_at, now)
    return dates if terms is None else dates | terms.fields(now)


def _expiry(options: Options, run_at: datetime, now: datetime) -> datetime:
    """Return when a job expires that is due at *run_at*. Raises OptionError."""
    expires_at = options.expires_at or now + (options.expires_in or timedelta(0))
    if expires_at <= run_at:
        raise OptionError(
            f"the job would expire at {expires_at}, before it is due at {run_at}: let it expire later, or be due"
            " earlier"
        )
    return expires_at


def _noted(job: Job, jobs: list[Job]) -> Job:
    jobs.append(job)
    return job


def _of_object(call: Call, name: str, attribute: str) -> Any:
    """Return the job object's value for the option *name*, None if it has none. Raises OptionError."""
    value = getattr(call.job_object, attribute, None)
    value = ran(attribute, value()) if callable(value) else value
    return checked(name, value, label=f"{attribute} of {call.name}") if value not in (None, "") else None
