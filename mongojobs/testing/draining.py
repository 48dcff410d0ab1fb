"""Running jobs in a test: ``drain`` as a worker would, ``perform`` just one of them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast

from mongojobs.app import Worker
from mongojobs.core.clock import elapsed_seconds, truncate
from mongojobs.core.errors import MongoJobsError
from mongojobs.core.inside.alone import Alone, run_alone
from mongojobs.core.inside.record import Means
from mongojobs.core.job import READY, Job, isolated
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.transitions import Deferred, Errored, GivenUp, Succeeded
from mongojobs.payload.calls.invoke import invoke, run_to_end
from mongojobs.payload.masking import cleaner
from mongojobs.store.jobs import JobStore, QueueSelector
from mongojobs.store.rows import source_of
from mongojobs.testing.logs import DrainedLogs
from mongojobs.testing.memory import stored
from mongojobs.testing.modes import Mode, mode_in_force
from mongojobs.worker.finish.finisher import Finisher
from mongojobs.worker.finish.result import Result
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.outage import Outage
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.interruption import Interruption
from mongojobs.worker.run.judgement import RunContext
from mongojobs.worker.run.runner import Runner
from mongojobs.worker.run.transaction import Transactions
from mongojobs.worker.threads.event_loop import EventLoop
from mongojobs.worker.threads.slots import Slots
from mongojobs.worker.threads.timekeeper import Timekeeper

T = TypeVar("T")

NAME: Final = "mongojobs.testing"
"""The name of the worker that hooks and plugins see."""

LONGEST_CLOSE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.01
_LEASE: Final = timedelta(days=1)
"""Long enough never to be renewed: a test may stop in a debugger."""


def drain(
    queue: str | None = None, *, raises: bool = True, until: datetime | None = None, limit: int = 1000
) -> tuple[int, int]:
    """Run all due jobs, and those that they enqueue, as a worker does; return successes and failures.

    With *raises* the first exception of a job comes up here, after the job was rescheduled or given up as usual. With
    *until* time passes up to then, for the jobs and during the call: scheduled ones run at their time, and failed ones
    again. Raises AssertionError when more than *limit* runs are wanted. Nothing to do in inline mode.
    """
    mode = mode_in_force()
    if mode.name == "inline":
        return 0, 0
    moved = mode.clock.moved
    drainer = Drainer(mode, queue)
    try:
        return drainer.drain(raises=raises, until=until and truncate(until), limit=limit)
    finally:
        drainer.close()
        mode.clock.moved = moved


def perform(job: Job) -> object:
    """Run *job* here and now, with its hooks, due or not, and return its result; its exceptions are raised here.

    It is neither retried nor counted. If it was waiting in the queue, it is taken out once it has succeeded.
    """
    mode = mode_in_force()
    payloads, lifecycle = mode.app.payloads, mode.app.lifecycle
    call = payloads.load(stored(job).handler)
    clean = cleaner(job.handler, payloads, None)
    alone = Alone(job, lambda: Means(mode.clock, payloads.values, clean=clean, source=source_of, wait=run_to_end))
    job.begin(alone)
    try:
        result = isolated(job, lambda: invoke(call, job, lifecycle=lifecycle, wait=run_to_end))
    finally:
        job.end()
        job.note(logged=alone.logged())
    waiting = mode.get(job.id)
    if waiting is not None and waiting.state == READY:
        mode.delete(job.id)
    return result


class _PretendedTransactions(Transactions):
    """What a job has in place of transactions: nothing comes in between here, so that its code just runs."""

    def __init__(self) -> None:
        """Need nothing."""

    @contextmanager
    def block(self, held: InFlightJob) -> Iterator[Any]:  # noqa: ARG002 - one is like the other
        yield None

    def run(self, held: InFlightJob, function: Callable[[Any], T]) -> T:  # noqa: ARG002 - one is like the other
        return run_alone(function)


class Drainer:
    """A worker without threads, which runs one job after the other and reports what they raise."""

    def __init__(self, mode: Mode, queue: str | None) -> None:
        app = mode.app
        worker = Worker(app=app, name=NAME, prefix="", executor="thread")
        self._mode = mode
        self._queue = queue
        self._held: InFlightJob | None = None
        mode.tell_of_cancelled(self._cancel)
        self._in_flight = InFlight(threads=1, async_concurrency=1)
        reporter = Reporter(app.lifecycle, NAME, worker)
        self._timekeeper = Timekeeper(self._in_flight, reporter, worker.settings, on_stuck=lambda _held: None)
        self._event_loop = EventLoop()
        context = RunContext(
            app.payloads,
            worker.settings,
            reporter,
            mode.clock,
            transactions=_PretendedTransactions(),
            save=self._save,
            source=source_of,
            logs=DrainedLogs(mode),
        )
        self._runner = Runner(context, watch=self._timekeeper.watch, loop=self._event_loop.get)
        store = cast(JobStore, mode.store)  # a MemoryStore has the methods that a finisher calls
        self._finisher = Finisher(store, self._in_flight, reporter, Outage(reporter))
        self._slots = Slots(self._in_flight, self._runner, self._finisher, reporter)
        self._minding = threading.Thread(target=self._timekeeper.run, name="mongojobs-timekeeper", daemon=True)
        self._minding.start()

    def drain(self, *, raises: bool, until: datetime | None, limit: int) -> tuple[int, int]:
        """Run jobs until none is due, or will be before *until*."""
        successes = failures = runs = 0
        while (job := self._next(until)) is not None:
            runs += 1
            if runs > limit:
                self._mode.store.release([job], started=False)
                raise AssertionError(
                    f"drain() has run {limit} jobs, and {job.name} is still due: does a job enqueue itself"
                    " endlessly? If you want that many, pass limit=..."
                )
            result = self._run(job, raises=raises)
            successes += isinstance(result.outcome, Succeeded)
            failures += isinstance(result.outcome, Errored | GivenUp)
        return successes, failures

    def close(self) -> None:
        """End the threads."""
        self._mode.tell_of_cancelled(lambda _job: None)
        self._timekeeper.stop()
        self._minding.join()
        self._event_loop.close(LONGEST_CLOSE_SECONDS)

    def _cancel(self, job: Job) -> None:
        """Interrupt *job* if it runs, and wait until that has reached its code."""
        held = self._held
        if held is None or held.job.id != job.id or job.cancellation is None:
            return
        held.job.note_cancellation(job.cancellation)
        self._timekeeper.cancel(held)
        pause = threading.Event()
        while not (held.interruption.is_over or held.interruption.raised):
            pause.wait(_LOOK_SECONDS)

    def _next(self, until: datetime | None) -> Job | None:
        job = self._reserve()
        while job is None and until is not None and self._let_time_pass(until):
            job = self._reserve()
        return job

    def _save(self, held: InFlightJob) -> bool:
        return not self._mode.store.tell([held.job])

    def _reserve(self) -> Job | None:
        wanted = QueueSelector(queues=(self._queue,) if self._queue else ())
        jobs = self._mode.store.reserve(wanted, token=secrets.token_hex(12), by=NAME, lease=_LEASE)
        return jobs[0] if jobs else None

    def _let_time_pass(self, until: datetime) -> bool:
        """Move the clock to when the next job is due; return False if that is after *until*."""
        scheduled = min((job.run_at for job in self._mode.enqueued(self._queue)), default=None)
        if scheduled is None or scheduled > until:
            return False
        self._mode.clock.moved += max(scheduled - self._mode.clock.now(), timedelta(0))
        return True

    def _run(self, job: Job, *, raises: bool) -> Result:
        """Run *job*, write its result, and raise what it raised if *raises*."""
        witness = Witness()
        expires = elapsed_seconds() + _LEASE.total_seconds()
        [held] = self._runner.hold([job], expires, stopping=threading.Event())
        held.interruption = witness
        self._held = held
        self._in_flight.add([held])
        self._in_flight.take_now()
        result = self._slots.perform(held)
        assert result is not None  # only a worker that stops interrupts a job, and has no result
        self._finisher.flush()
        if isinstance(witness.error, KeyboardInterrupt):
            raise witness.error
        if raises and isinstance(result.outcome, Errored | GivenUp | Deferred):
            raise witness.error or MongoJobsError(_reason(result.outcome))
        return result


def _reason(outcome: Errored | GivenUp | Deferred) -> str:
    return outcome.reason if isinstance(outcome, Deferred) else outcome.error.full


class Witness(Interruption):
    """Remembers what the job raised; a worker only needs to know how the run ended."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None

    def run(self, body: Callable[[], T]) -> T:
        """Run *body*; note what it raises, and raise it."""
        try:
            return super().run(body)
        except BaseException as error:
            self.error = error
            raise
