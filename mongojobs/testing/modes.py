"""Modes: where enqueued jobs go in the whole process while one is in force."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Literal, ParamSpec, TypeVar, get_args

from mongojobs.app import MongoJobs, default_app
from mongojobs.app.cancelling import cancel_one
from mongojobs.core.actions import DELETE
from mongojobs.core.clock import SystemClock, truncate
from mongojobs.core.errors import ConfigurationError
from mongojobs.core.inside.log import LoggedRun
from mongojobs.core.job import READY, Document, Job, JobId
from mongojobs.core.settings import Settings
from mongojobs.core.words.durations import parse_duration
from mongojobs.enqueuing import current
from mongojobs.enqueuing.enqueuer import Enqueuer
from mongojobs.enqueuing.inline import Remembered
from mongojobs.results.results import Results
from mongojobs.results.still import Still
from mongojobs.results.waiting import Waiters
from mongojobs.results.watch import Watch
from mongojobs.store.actions.job_actions import JobActions
from mongojobs.store.jobs import JobStore
from mongojobs.store.logs.log_store import logs_of
from mongojobs.store.queries import Queries
from mongojobs.store.reader.job_reader import JobReader
from mongojobs.testing.memory import MemoryStore, MovableClock
from mongojobs.testing.ticking import Ticking

P = ParamSpec("P")
R = TypeVar("R")

ModeName = Literal["fake", "inline", "real"]

_SURROUNDABLE_NOT: Final = (inspect.isclass, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
_in_force: Final[list[Mode]] = []


class Mode:
    """A mode in force: its app, its clock and its jobs.

    The default app is looked up anew each time, since a test may configure it within the mode.
    """

    def __init__(self, name: ModeName, app: MongoJobs | None = None) -> None:
        if name not in get_args(ModeName):
            raise ConfigurationError(f"mode must be one of {', '.join(get_args(ModeName))}, got {name!r}")
        self.name = name
        self.clock: MovableClock = MovableClock(SystemClock if name == "fake" else lambda: self.app.store.clock)
        self._app = app
        self._remembered = Remembered()
        self._ticking = Ticking(self)
        self._memory = MemoryStore(self.clock, lambda: self.app.settings)
        self._on_cancelled: Callable[[Job], object] = lambda _job: None
        self._waiters: Waiters = Still("call drain() first") if name == "fake" else Watch(lambda: self.store)

    @property
    def app(self) -> MongoJobs:
        """The app whose settings, plugins and, in real mode, collection are used."""
        return self._app or default_app()

    @property
    def store(self) -> JobStore | MemoryStore:
        """Where the jobs are. Raises ConnectionMissingError, except in fake mode."""
        return self._memory if self.name == "fake" else JobStore(self._queries())

    @property
    def _reader(self) -> JobReader | MemoryStore:
        return self._memory if self.name == "fake" else JobReader(self._queries())

    def enqueuer(self) -> Enqueuer:
        """Return what turns calls into jobs of this mode."""
        app = self.app
        return Enqueuer(
            store=lambda: self.store,
            payloads=app.payloads,
            settings=self._settings(app),
            lifecycle=app.lifecycle,
            remembered=self._remembered,
            home=Results(lambda job: self.store.get(job.id), app.payloads.codec, self._waiters),
        )

    def memory_of(self, app: object) -> MemoryStore | None:
        """Return what keeps the jobs of *app* if this mode does, in memory."""
        return self._memory if self.name == "fake" and app is self.app else None

    def get(self, job_id: JobId) -> Job | None:
        """Return a job as it is now, in any state; None in inline mode."""
        return None if self.name == "inline" else self.store.get(job_id)

    def keep_log(self, chunks: list[Document]) -> None:
        """Keep what a job has logged."""
        if self.name == "fake":
            self._memory.keep_log(chunks)
        elif chunks:
            logs_of(self._queries()).write(chunks)

    def logs_of(self, job_id: JobId) -> list[LoggedRun]:
        """Return what is kept of the log of a job, by run; nothing in inline mode."""
        if self.name == "inline":
            return []
        return self._memory.logs(job_id) if self.name == "fake" else logs_of(self._queries()).read(job_id)

    def enqueued(self, queue: str | None = None) -> list[Job]:
        """Return the ready jobs in the order a worker takes them: the due ones, then those due later."""
        if self.name == "inline":
            return []
        now = self.clock.now()
        jobs = [job for job in reversed(self._reader.find(state=READY, limit=0)) if queue in (None, job.queue)]
        return sorted(jobs, key=lambda job: _turn(job, now))

    def tick(self, until: datetime | None = None) -> int:
        """Enqueue the jobs of all schedules that are due, as a worker does; return how many ticks that were.

        Schedules begin when the mode does. With *until* the jobs' time moves on to then, as by ``travel``, and each
        tick is enqueued when it is due. In fake mode they are those that code declares with ``@every``; in real mode
        also those in the database.
        """
        return self._ticking.tick(until and truncate(until))

    def delete(self, job_id: JobId) -> Job:
        """Delete a job that is not running, and return it."""
        return self._actions.act(DELETE, job_id)

    def cancel(self, job_id: JobId, *, by: str | None = None, why: str | None = None) -> Job:
        """Cancel a job, even one that ``drain`` is running, and return it. Raises StateError, OptionError.

        The code of a running one gets ``Cancelled`` before this returns; so it does not where it calls it itself.
        """
        job = cancel_one(self._actions, job_id, running=True, given={"by": by, "why": why})
        if job.cancelling and self.name == "real":  # the memory has told it
            self._on_cancelled(job)
        return job

    def tell_of_cancelled(self, listener: Callable[[Job], object]) -> None:
        """Call *listener* with each running job that is cancelled."""
        self._on_cancelled = self._memory.on_cancelled = listener

    @property
    def _actions(self) -> JobActions | MemoryStore:
        return self._memory if self.name == "fake" else JobActions(self._queries())

    def _queries(self) -> Queries:
        return Queries(self.app.store.collection, self.clock, self.app.settings)

    def _settings(self, app: MongoJobs) -> Settings:
        """Return the settings of *app*, changed to do what the mode says whatever its ``delay_jobs``.

        A function is left in charge, unless in inline mode: what it decides is the app's own behaviour.
        """
        if self.name == "inline":
            return app.settings.changed(delay_jobs=False)
        return app.settings if app.settings.delay_jobs else app.settings.changed(delay_jobs=True)


def mode(name: ModeName, *, app: MongoJobs | None = None) -> Scope:
    """Return a context manager, also usable as a decorator, that puts a mode in force for the whole process.

    ``fake``: jobs are checked, serialised and kept in memory; no database is needed. ``inline``: jobs run when they are
    enqueued, on arguments that went through BSON, and their errors come up there. ``real``: jobs go to the collection
    of the app as usual, on mongomock too. *app* is the default one unless given; other apps are not concerned.
    Modes may be nested; each has its own jobs. Raises ConfigurationError.
    """
    Mode(name, app)
    return Scope(name, app)


class Scope(AbstractContextManager[Mode]):
    """``mode`` before it is entered; it can be entered repeatedly."""

    def __init__(self, name: ModeName, app: MongoJobs | None) -> None:
        self._name = name
        self._app = app
        self._entered: list[ExitStack] = []

    def __enter__(self) -> Mode:
        mode = Mode(self._name, self._app)
        with ExitStack() as stack:
            _in_force.append(mode)
            stack.callback(_in_force.remove, mode)
            stack.enter_context(current.replaced(mode.enqueuer, mode.memory_of))
            self._entered.append(stack.pop_all())
        return mode

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.pop().close()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, plain or ``async def``, to run in the mode. Raises ConfigurationError for others."""
        if any(is_such(function) for is_such in _SURROUNDABLE_NOT):
            raise ConfigurationError(
                f"mode(...) decorates plain and async functions, got {function!r}: use it in a `with` block, or, for"
                f" all tests of a class, @pytest.mark.mongojobs(mode={self._name!r})"
            )
        return self._around_async(function) if inspect.iscoroutinefunction(function) else self._around(function)

    def _around(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def surrounded(*args: P.args, **kwargs: P.kwargs) -> R:
            with mode(self._name, app=self._app):
                return function(*args, **kwargs)

        return surrounded

    def _around_async(self, function: Callable[P, Any]) -> Callable[P, Any]:
        @functools.wraps(function)
        async def surrounded(*args: P.args, **kwargs: P.kwargs) -> object:
            with mode(self._name, app=self._app):
                return await function(*args, **kwargs)

        return surrounded


def mode_in_force() -> Mode:
    """Return the innermost mode; outside any, real mode on the default app."""
    return _in_force[-1] if _in_force else Mode("real")


def queue_in_force(asker: str) -> Mode:
    """Return the innermost mode. Raises ConfigurationError in inline mode, which keeps no jobs, naming *asker*."""
    mode = mode_in_force()
    if mode.name == "inline":
        raise ConfigurationError(
            f"{asker} needs mode('fake') or mode('real'): in inline mode jobs run at once and are not kept"
        )
    return mode


def travel(duration: timedelta | float | str) -> datetime:
    """Move the jobs' time by *duration* (``timedelta`` or seconds) until the mode ends; return the new time.

    Only jobs feel it: what their code asks the system for stays. Raises ConfigurationError outside of fake and real
    mode, and for what is no duration.
    """
    if not _in_force:
        raise ConfigurationError("travel() lasts as long as a mode: use it inside mode('fake') or mode('real')")
    mode = queue_in_force("travel()")
    try:
        mode.clock.moved += parse_duration(duration)
    except ValueError as error:
        raise ConfigurationError(f"travel() {error}, got {duration!r:.100}") from None
    return mode.clock.now()


def tick(until: datetime | None = None) -> int:
    """Do as ``Mode.tick``, in the mode that is in force. Raises ConfigurationError in inline mode."""
    return queue_in_force("tick()").tick(until)


def cancel(job: Job, *, by: str | None = None, why: str | None = None) -> Job:
    """Do as ``Mode.cancel``, in the mode that is in force. Raises ConfigurationError in inline mode."""
    return queue_in_force("cancel()").cancel(job.id, by=by, why=why)


def enqueued_jobs(queue: str | None = None) -> list[Job]:
    """Return the ready jobs, of one *queue* or all, as a worker takes them, due ones first; none in inline mode."""
    return mode_in_force().enqueued(queue)


def _turn(job: Job, now: datetime) -> tuple[bool, datetime, int, datetime]:
    """Sort jobs as workers take them; equal ones stay in the order they were enqueued."""
    is_scheduled = job.run_at > now
    return is_scheduled, job.run_at if is_scheduled else now, job.priority, job.run_at
