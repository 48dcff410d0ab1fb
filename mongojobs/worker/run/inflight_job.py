"""One job that this process holds, and how its run uses the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar

from mongojobs.core.clock import SystemClock, elapsed_seconds, monotonic_seconds
from mongojobs.core.errors import StateError, TransactionError
from mongojobs.core.inside.log import Lines
from mongojobs.core.inside.record import Means, Record, Told
from mongojobs.core.job import Job, JobId
from mongojobs.core.transitions import Committed
from mongojobs.payload.calls.handler import Call, Outline
from mongojobs.payload.calls.invoke import is_on_a_loop
from mongojobs.worker.run.interruption import Interruption

T = TypeVar("T")

Key = tuple[JobId, str | None]

LONG_BLOCK_SECONDS: Final = 1.0
"""How long a job may keep the event loop from turning before that is reported."""


class Transactions(Protocol):
    """What gives a job a transaction: see ``worker.run.transaction``."""

    def block(self, held: InFlightJob) -> AbstractContextManager[Any]:
        """Return a transaction that ends the job, for a ``with`` block."""
        ...

    def run(self, held: InFlightJob, function: Callable[[Any], T]) -> T:
        """Call *function* in such a transaction, again after a conflict, and return what it returns."""
        ...


class Logs(Protocol):
    """Where the lines go that jobs log."""

    def open(self, held: InFlightJob, clean: Callable[[str], str]) -> Lines:
        """Return what takes the lines of the run of *held*; *clean* takes the job's secrets out of a text."""
        ...

    def close(self, held: InFlightJob) -> None:
        """Store the last lines of the run, which has ended, if it has logged any."""
        ...


class LoopTime:
    """How a run uses the event loop: how long it waited for it and how long it made others wait, in seconds."""

    __slots__ = ("blocked", "excused", "is_there", "waits_since")

    def __init__(self) -> None:
        self.is_there: bool = False
        self.waits_since: float | None = None
        """Since when a coroutine has been waiting to begin, in ``monotonic_seconds``."""
        self.excused: float = 0.0
        self.blocked: float = 0.0


class InFlightJob:
    """One job that this process holds, and its run here."""

    __slots__ = (
        "call",
        "committed",
        "ends",
        "expires",
        "interruption",
        "is_async",
        "is_cut_short",
        "is_given_up",
        "is_in_transaction",
        "is_stuck",
        "job",
        "key",
        "limit",
        "loop_time",
        "means",
        "outline",
        "overdue_since",
        "record",
        "seconds",
        "started",
        "stopping_event",
        "transactions",
    )

    def __init__(self, job: Job, *, expires: float, stopping: threading.Event, is_async: bool = False) -> None:
        self.stopping_event: threading.Event = stopping
        self.job: Job = job
        self.key: Key = (job.id, job.lock_token)
        """Tells this reserve of the job from an earlier one of the same job."""
        job.begin(self)
        self.expires: float = expires
        """When the lock runs out unless it is renewed, in ``elapsed_seconds``."""
        self.is_async: bool = is_async
        self.outline: Outline | None = None
        """What is known of the payload before it is loaded, if somebody has looked."""
        self.call: Call | None = None
        """The payload, once it is loaded."""
        self.interruption: Interruption = Interruption()
        self.started: float | None = None
        """When the run began, in ``monotonic_seconds``."""
        self.ends: float | None = None
        """When the run is too long if it never waits for the event loop, in ``monotonic_seconds``."""
        self.limit: timedelta = timedelta(0)
        self.loop_time: LoopTime | None = None
        """What it has to do with the event loop, if anything."""
        self.overdue_since: float | None = None
        """When the run was found to be too long, in ``monotonic_seconds``."""
        self.seconds: float | None = None
        """How long the run took, once it has ended."""
        self.is_given_up: bool = False
        """Whether we have stopped renewing the lock, since it is not ours any more."""
        self.is_cut_short: bool = False
        """Whether its code was interrupted for good: by its limit, or as somebody has cancelled the job."""
        self.is_in_transaction: bool = False
        """Whether its lock is left alone, as a transaction of the job is under way that will end it."""
        self.committed: Committed | None = None
        """How the job has ended, if such a transaction is stored."""
        self.transactions: Transactions | None = None
        """What gives it transactions."""
        self.is_stuck: bool = False
        self.means: Callable[[InFlightJob], Means] = _means_here
        """Makes what its record needs."""
        self.record: Told | None = None
        """What the job has told of itself in this run; None if nothing."""

    @property
    def is_committed(self) -> bool:
        """Whether a transaction is stored that has ended the job."""
        return self.committed is not None

    @property
    def stopping(self) -> bool:
        """Whether the worker has been told to stop."""
        return self.stopping_event.is_set()

    @property
    def lost(self) -> bool:
        """Whether the lock is no longer ours, or may not be: it has not been renewed for a whole lease."""
        return self.is_given_up or elapsed_seconds() >= self.expires

    @property
    def deadline(self) -> float | None:
        """When the run exceeds its limit, in ``monotonic_seconds``; None while that is unknown.

        It counts the run's own time: not that in which it waits for the event loop, which others hold up.
        """
        if self.ends is None or self.loop_time is None:
            return self.ends
        return None if self.loop_time.waits_since is not None else self.ends + self.loop_time.excused

    @property
    def is_on_loop(self) -> bool:
        """Whether a coroutine of the run is on the event loop, or will start there."""
        return self.loop_time is not None and self.loop_time.is_there

    def recording(self) -> Record:
        """Return the record, made now if it is not there."""
        if not isinstance(self.record, Record):
            self.record = Record(self.job, self.means(self))
        return self.record

    def wait(self, coroutine: Coroutine[Any, Any, object]) -> object:
        """Run *coroutine* on the event loop, and wait in this thread. Raises StateError on the loop itself."""
        if is_on_a_loop():
            coroutine.close()
            raise StateError("what an async function loads cannot be waited for on the event loop: pass its id on")
        return self.means(self).wait(coroutine)

    def transaction(self) -> AbstractContextManager[Any]:
        """Return a transaction that ends the job, for a ``with`` block."""
        return self._transactions().block(self)

    def in_transaction(self, function: Callable[[Any], T]) -> T:
        """Call *function* in such a transaction, again after a conflict, and return what it returns."""
        return self._transactions().run(self, function)

    def limit_to(self, limit: timedelta) -> None:
        """Limit the run to *limit* from its start."""
        self.limit = limit
        self.ends = (self.started or monotonic_seconds()) + limit.total_seconds()

    def _transactions(self) -> Transactions:
        if self.transactions is None:
            raise TransactionError("jobs have no transactions here")
        return self.transactions

    def enter_loop(self) -> None:
        """Note that a coroutine has been passed to the event loop."""
        self.loop_time = self.loop_time or LoopTime()
        self.loop_time.is_there, self.loop_time.waits_since = True, monotonic_seconds()

    def begin_on_loop(self) -> None:
        """Note that the coroutine has started."""
        if self.loop_time is not None and self.loop_time.waits_since is not None:
            self.loop_time.excused += monotonic_seconds() - self.loop_time.waits_since
            self.loop_time.waits_since = None

    def leave_loop(self) -> None:
        """Note that the coroutine has ended."""
        if self.loop_time is not None:
            self.loop_time.is_there, self.loop_time.waits_since = False, None

    def note_block(self, seconds: float, *, is_own: bool) -> None:
        """Note that the event loop did not turn for this long, because of this run or of another one."""
        if self.loop_time is None:
            return
        if is_own:
            self.loop_time.blocked += seconds
        elif self.loop_time.waits_since is None:
            self.loop_time.excused += seconds
            if self.overdue_since is not None:
                self.overdue_since += seconds


def _means_here(_held: InFlightJob) -> Means:
    return Means(SystemClock())
