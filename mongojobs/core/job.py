"""A job: one stored call, what has become of it so far, and who holds it."""

from __future__ import annotations

import decimal
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from mongojobs.core import checks
from mongojobs.core.errors import StateError
from mongojobs.core.fields import DETAILED, HIDDEN, Option, option
from mongojobs.core.inside.home import Home, Timeout, home_here
from mongojobs.core.inside.log import LoggedRun
from mongojobs.core.inside.progress import Progress
from mongojobs.core.inside.rows import Rows
from mongojobs.core.inside.run import Run
from mongojobs.core.inside.sources import Key
from mongojobs.core.inside.steps import Step
from mongojobs.core.words.naming import public
from mongojobs.core.words.ticks import schedule_of, tick_of

if TYPE_CHECKING:
    from bson import ObjectId

    JobId = ObjectId | str | int
    """What identifies a job: an ObjectId made here, or whatever the caller gave as ``job_id``."""
else:
    JobId = object  # the command line handles jobs before it loads the driver

Bytes = int
"""A size, which people may write as ``64k``."""

T = TypeVar("T")

Document = dict[str, Any]
"""A MongoDB document as PyMongo returns and accepts it."""

State = Literal["ready", "running", "completed", "failed", "cancelled"]

READY: Final = "ready"
RUNNING: Final = "running"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
STATES: Final = (READY, RUNNING, COMPLETED, FAILED, CANCELLED)
ENDED: Final = (COMPLETED, FAILED, CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """How a run failed, as kept in ``errors``: *error* for people at a glance, *trace* to find the place."""

    error: str
    trace: str = ""

    @property
    def full(self) -> str:
        """The text of ``last_error``: message, newline, traceback. Source: delayed_job."""
        return f"{self.error}\n{self.trace}" if self.trace else self.error


@dataclass(frozen=True, kw_only=True)
class Job:
    """A document of the collection ``delayed_jobs``, as a value.

    A field is declared here once: ``store.documents`` stores and reads it by its annotation, its metadata make the
    options of an enqueue, the flags of ``mongojobs enqueue`` and the JSON of a job.

    All times are UTC and aware. ``attempts`` counts failed runs only: a lost worker counts in ``losses``, a stopped one
    in ``releases``. ``locked_by`` is a label for people; the lock is the ``lock_token``, new at each reserve.
    """

    id: JobId
    name: str
    queue: str = field(
        metadata=option(
            checks.queue_name,
            "its queue",
            flags=("-q", "--queue"),
            metavar="NAME",
            of_object="queue_name",
            is_declared=True,
            setting="default_queue_name",
        )
    )
    priority: int = field(
        metadata=option(
            checks.priority,
            "its priority; lower runs first",
            is_declared=True,
            is_of_queue=True,
            setting="default_priority",
        )
    )
    run_at: datetime = field(metadata=option(checks.moment, "when it is due, with a time zone", flags=("--at",)))
    handler: Mapping[str, Any] = field(repr=False, metadata={"json": DETAILED})
    state: State = READY
    attempts: int = 0
    max_attempts: int | None = field(
        default=None,
        metadata=option(
            checks.attempts,
            "failures after which it is given up on",
            of_object="max_attempts",
            is_declared=True,
            setting="max_attempts",
        ),
    )
    max_run_time: timedelta | None = field(
        default=None,
        metadata=option(
            checks.time_limit,
            "how long it may run",
            of_object="max_run_time",
            is_declared=True,
            setting="max_run_time",
        ),
    )
    expires_at: datetime | None = field(
        default=None, metadata=option(checks.moment, "when it is cancelled unless it has begun", metavar="ISO")
    )
    keep_result: timedelta | None = field(
        default=None,
        metadata=option(
            checks.time_limit,
            "how long what it returns is kept; not at all otherwise",
            of_object="keep_result",
            is_declared=True,
        ),
    )
    keep_log: Bytes | None = field(
        default=None,
        metadata=option(
            checks.log_size,
            "how much of what it logs in a run is kept; nothing otherwise",
            metavar="SIZE",
            of_object="keep_log",
            is_declared=True,
        ),
    )
    locked_at: datetime | None = None
    locked_by: str | None = None
    locked_until: datetime | None = None
    lock_token: str | None = field(default=None, repr=False, metadata={"json": HIDDEN})
    transacts_until: datetime | None = field(default=None, repr=False, metadata={"json": HIDDEN})
    """Until when its run may be in a transaction of its own, which any write to the job would undo."""
    fence: int = 0
    losses: int = 0
    releases: int = 0
    snoozes: int = 0
    deferred_since: datetime | None = None
    """Since when workers have met the job and none could load it; see ``Deferred``."""
    deferred_reason: str | None = field(default=None, repr=False)
    created_at: datetime | None = None
    failed_at: datetime | None = None
    finished_at: datetime | None = None
    expire_at: datetime | None = None
    last_error: str | None = field(default=None, repr=False)
    errors: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, metadata={"json": DETAILED})
    ran_by: str | None = field(default=None, metadata={"json": HIDDEN})
    """The worker that last ran an ended job."""
    took: timedelta | None = field(default=None, metadata={"json": HIDDEN})
    """How long that last run took."""
    returned: Mapping[str, Any] | None = field(default=None, repr=False, metadata={"json": DETAILED})
    """What a completed job with ``keep_result`` returned, or why that is not kept; see ``payload.results``."""
    retries: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, metadata={"json": HIDDEN})
    """When people let the job run again, and who: *at* and *by* of the latest times."""
    cancellation: Mapping[str, Any] | None = field(default=None, repr=False)
    """Who cancelled it, when and why: *at*, *by* and *why*, of which only *at* is always there.

    In a running job somebody has asked for it, and its run is about to be interrupted.
    """
    progress: Progress | None = None
    """How far it is, as it has said itself."""
    steps: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, metadata={"json": DETAILED})
    """The steps that are done: *name*, *value* in stored form, *at*, and how many milliseconds it *took*."""
    cursors: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, metadata={"json": DETAILED})
    """Where its passes over rows are: *name*, *key* of the last row that is done, *count*, and rows set *aside*."""
    advanced: int | None = field(default=None, metadata={"json": HIDDEN})
    """The ``fence`` of the last run that did something which the next one does not have to do again."""
    tags: tuple[str, ...] = field(default=(), metadata=option(checks.tags, "tags to find it by", flags=("--tag",)))
    meta: Mapping[str, Any] | None = field(
        default=None,
        repr=False,
        metadata=option(checks.mapping, "data to keep with it", json=DETAILED),
    )
    unique_key: str | None = None
    """The digest of the unique key, while the job holds it; see ``mongojobs.unique``."""
    unique_digest: str | None = field(default=None, metadata={"json": HIDDEN})
    """The same, even while it is not held: for a retry, which takes it again."""
    unique_text: str | None = None
    """What the key is made of, for people."""
    unique_until: str | None = field(default=None, metadata={"json": DETAILED})
    """``start`` for a key that is released when the job starts, not when it ends."""
    key_until: datetime | None = field(default=None, metadata={"json": DETAILED})
    """Until when the key is held after the job has completed."""
    start_by: datetime | None = field(default=None, metadata={"json": DETAILED})
    """The latest time to which later calls may put it off."""
    merged: int | None = None
    """How many later calls were merged into this job instead of becoming one."""
    again: Mapping[str, Any] | None = field(default=None, repr=False, metadata={"json": DETAILED})
    """The last call that came while it ran, to be run once it has ended."""
    id_given: bool = field(default=False, metadata={"json": HIDDEN})
    """Whether the caller chose the id: then the document is kept for a while after success, so that repeating the
    enqueue changes nothing."""
    kept_for: timedelta | None = field(default=None, metadata={"json": HIDDEN})
    """How long it is kept after its end, if its id was given and that is not ``job_id_retention``."""
    run: Run | None = field(default=None, repr=False, compare=False, metadata={"json": HIDDEN})
    """The current run, in the job that ``current_job`` and the hooks see; never stored."""
    duplicate: bool = field(default=False, compare=False, metadata={"json": HIDDEN})
    """Whether an enqueue returned it because it was there already; never stored."""
    logged: tuple[LoggedRun, ...] = field(default=(), repr=False, compare=False, metadata={"json": HIDDEN})
    """What is kept of its log, if it has run where nothing is stored; ``app.log(id)`` has that of others."""
    home: Home[Job] | None = field(default=None, repr=False, compare=False, metadata={"json": HIDDEN})
    """Where it is asked about, if that is known; never stored."""

    def __str__(self) -> str:
        """Return the job as people see it: ``Job app.send (id=...) (queue=mail)``. Source: delayed_job."""
        return f"Job {self.name} (id={self.id}) (queue={self.queue})"

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Job:
        """Return a job with *fields* that have been checked, in a tenth of the usual time.

        Python makes a frozen value field by field. For a job, of which there are many, that is most of the work; so it
        has no slots, and *fields* become its own, not to be changed by the caller any more.
        """
        job = object.__new__(cls)
        object.__setattr__(job, "__dict__", fields)
        return job

    @property
    def stopping(self) -> bool:
        """Whether this job's worker has been told to stop: a good moment to save progress and return."""
        return self.run is not None and self.run.stopping

    @property
    def lost(self) -> bool:
        """Whether the worker has lost this job's lock: another one may be running it, and no result will be written."""
        return self.run is not None and self.run.lost

    def set_progress(self, done: float, of: float | None = None, note: str = "") -> None:
        """Tell, from inside the job, how far it is: *done*, *of* so many if that is known, and a *note* for people.

        It may be called as often as you like: it is stored at most once a ``heartbeat``, and when the run ends. A note
        is kept up to 256 bytes, without the job's secrets.

        Raises ProgressError for a bad value, StateError outside of the job.
        """
        self._own_run("set_progress").recording().set_progress(done, of, note)

    @property
    def log(self) -> logging.Logger:
        """The logger of this run, inside the job: ``current_job().log.info("row %s", number)``.

        Its lines go where those of ``logging.getLogger("mongojobs.job")`` go. With ``keep_log`` those of INFO and above
        are kept too, without the job's secrets: ``app.log(job_id)`` and ``mongojobs jobs log ID`` read them. The last
        lines of each run are kept, so much of them; nothing waits for the database but, for a moment, the end.

        Raises StateError outside of the job.
        """
        if self.run is None:
            raise StateError(
                "log is the logger of a run, and this job is not running here: use current_job().log to write, and"
                " app.log(job.id) or `mongojobs jobs log ID` to read what was kept"
            )
        return self.run.recording().log

    def step(self, name: str) -> Step:
        """Return, inside the job, its step called *name*, for a ``with`` block: what is done once, and not again.

        ``with current_job().step("charge") as step:`` and then ``if step.todo: step.done(charge())``: done is stored
        before the job goes on, so that its next run, after a failure, a stop or a lost worker, finds ``step.value``.

        Raises ProgressError for a bad name, or one that was there in this run, StateError outside of the job.
        """
        return self._own_run("step").recording().step(name)

    def each(
        self,
        rows: Any,
        key: Key = None,
        *,
        name: str | None = None,
        skip_after: int | None = 3,
        of: float | None = None,
    ) -> Rows:
        """Go, inside the job, through *rows* that a later run goes on with: ``for user in current_job().each(users)``.

        They are those of a MongoEngine query, of a collection or ``find()`` of PyMongo, in the order of *key*, which
        must be unique and is the id unless you say otherwise; or those of a sequence, in its own order or that of a
        *key*. A run that is cut short goes on after the last row that was done. When the worker stops, the loop ends
        after the present row and the job is handed back. A row at which workers died *skip_after* times is left out.
        Each pass in a job has a *name*, which is that of the document or collection, or ``rows``, unless you say
        otherwise. How many rows are done is shown as the job's progress, *of* so many, unless it says that itself.

        Raises ProgressError, StateError outside of the job.
        """
        return self._own_run("each").recording().each(rows, key, name=name, skip_after=skip_after, of=of)

    def transaction(self) -> AbstractContextManager[Any]:
        """Begin a transaction for a ``with`` block, at the end of which it is committed, and the job with it.

        Inside its job only: ``with current_job().transaction() as session:``. What the block writes to this MongoDB and
        the end of the job are stored together or not at all, so that it has its effect exactly once, whatever dies.
        Code after the block is outside of that: the job has ended. There is one such transaction a run, of at most a
        minute. The session is a ``pymongo.client_session.ClientSession``; None where jobs run without a worker (in
        tests and in inline mode), since nothing can die in between there.

        Raises TransactionError where there can be none, as in a job that keeps its result, which is not known yet;
        TransactionConflictError, from the block or its end, when it was undone because another write came first: let it
        pass, and the job runs again a moment later.
        """
        return self._own_run("transaction").transaction()

    def in_transaction(self, function: Callable[[Any], T]) -> T:
        """Call *function* with a session in a transaction as of ``transaction``, and return what it returns.

        That is the result of the job, if it keeps one. After a conflict *function* is called again, up to five times:
        so it may do nothing but write to this MongoDB.
        """
        return self._own_run("in_transaction").in_transaction(function)

    @property
    def cancelling(self) -> bool:
        """Whether somebody has cancelled this job while it runs: a good moment to clean up and return."""
        return self.cancellation is not None and self.state == RUNNING

    @property
    def scheduled_for(self) -> datetime | None:
        """The nominal time of the tick that enqueued it, of whatever schedule; None for any other job."""
        return tick_of(self.id)

    @property
    def schedule(self) -> str | None:
        """The name of the schedule that enqueued it; None for any other job."""
        return schedule_of(self.id)

    def is_expired(self, now: datetime) -> bool:
        """Whether it should have begun by *now*, and has not: one that has begun once does not expire."""
        if self.expires_at is None or self.expires_at > now:
            return False
        return not (self.attempts or self.losses or self.releases or self.snoozes)

    def is_transacting(self, now: datetime) -> bool:
        """Whether a write to the job would probably undo a transaction of its run."""
        return self.state == RUNNING and self.transacts_until is not None and now < self.transacts_until

    @property
    def has_advanced(self) -> bool:
        """Whether its last run did something which the next one does not have to do again."""
        return self.advanced is not None and self.advanced == self.fence

    @property
    def is_locked(self) -> bool:
        """Whether a worker holds the job."""
        return self.state == RUNNING

    @property
    def has_failed(self) -> bool:
        """Whether the job was given up on."""
        return self.state == FAILED

    def refresh(self) -> Job:
        """Return the job as it is now. Raises NoSuchJobError, StoreUnavailableError."""
        return self._home.refresh(self)

    def wait(self, timeout: Timeout = None) -> Job | None:
        """Wait until the job has ended, and return it; None if it is gone, as one that completed and is not kept.

        The *timeout* is a duration, and bounds the whole call: 0 looks once, None waits as long as it takes. Raises
        ResultTimeoutError, StoreUnavailableError.
        """
        return self._home.wait(self, timeout)

    def result(self, timeout: Timeout = None) -> Any:
        """Return what the job returned, once it has ended; only with ``keep_result``. Waits as ``wait`` does.

        Raises JobFailed, JobCancelled, ResultTimeoutError and the other errors of results, NoSuchJobError and
        StoreUnavailableError; and DeserializationError for a value that this process cannot load.
        """
        return self._home.result(self, timeout)

    async def aresult(self, timeout: Timeout = None) -> Any:  # noqa: ASYNC109 - the same call as result
        """Do what ``result`` does without blocking the event loop."""
        return await self._home.aresult(self, timeout)

    @property
    def _home(self) -> Home[Job]:
        return self.home or home_here()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out, in copies and other processes, what belongs to this process."""
        return {**vars(self), "home": None, "run": None}

    def stay(self, home: Home[Job] | None) -> Job:
        """Return the job itself, from now on asked about at *home*; in place as ``begin``, and only at first."""
        object.__setattr__(self, "home", home)
        return self

    def _own_run(self, what: str) -> Run:
        if self.run is None:
            raise StateError(f"{what}() is of a run, and this job is not running here: use current_job().{what}()")
        return self.run

    def begin(self, run: Run) -> None:
        """Let the job be seen as from inside *run*.

        In place, for the one that has just reserved it and shared it with nobody: a copy would cost more than all else
        that is done for a short job.
        """
        object.__setattr__(self, "run", run)

    def end(self) -> None:
        """Forget the run, as it has ended and its result is stored."""
        object.__setattr__(self, "run", None)

    def note_cancellation(self, cancellation: Mapping[str, Any]) -> None:
        """Note, in place as ``begin`` does, that somebody has cancelled the job while it runs."""
        object.__setattr__(self, "cancellation", cancellation)

    def note(self, **told: object) -> None:
        """Let fields be seen as the run has told them, in place as ``begin`` does."""
        vars(self).update(told)

    def carry(self, more: Mapping[str, Any]) -> None:
        """Add *more* to ``meta``, in place as ``begin`` does: for plugins around the enqueue, before it is stored.

        Values must be such as BSON has, and few.
        """
        object.__setattr__(self, "meta", {**(self.meta or {}), **more})


FIELDS: Final = tuple(one for one in fields(Job) if one.compare)
"""The fields that are stored: all but the run and what is said of an enqueue."""

JOB_OPTIONS: Final[Mapping[str, Option]] = {
    one.name: one.metadata["option"] for one in FIELDS if "option" in one.metadata
}
"""The fields that an enqueue may set."""

_current: ContextVar[Job | None] = ContextVar("mongojobs_current_job", default=None)


@public
def current_job() -> Job | None:
    """Return the job that this code is running in, or None outside a job."""
    return _current.get()


def job_in(context: Context) -> Job | None:
    """Return the job that code in *context* is running in, or None."""
    return context.get(_current)


def isolated(job: Job, body: Callable[[], T]) -> T:
    """Run *body* in *job*: in a copy of this context, so that what it sets in ``ContextVar``s reaches no other run.

    Its ``decimal`` context is as at the start of a program.
    """
    return copy_context().run(_within, job, body)


def _within(job: Job, body: Callable[[], T]) -> T:
    _current.set(job)
    decimal.setcontext(decimal.DefaultContext)  # a copy of it: one that is there already would be shared, not copied
    return body()
