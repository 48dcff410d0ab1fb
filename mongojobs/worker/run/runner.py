"""Running one job: from its payload to an outcome. Knows no MongoDB."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from mongojobs.core.errors import SIGNALS, Cancelled, Interrupted, JobTimeout, MongoJobsError, ProgressError
from mongojobs.core.inside.log import Lines
from mongojobs.core.inside.record import Means
from mongojobs.core.job import Document, Job, isolated
from mongojobs.core.notices import JobStarted, RowSetAside
from mongojobs.core.transitions import SUCCEEDED, Discarded, HandedBack, Outcome, Succeeded
from mongojobs.core.words.wording import iso
from mongojobs.payload.calls.invoke import invoke
from mongojobs.payload.precedence import applying
from mongojobs.payload.results import stored_result
from mongojobs.process.copies import Descent, end_copy
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.interruption import run_to_end_on
from mongojobs.worker.run.judgement import Judgement, RunContext


@dataclass(eq=False)
class Runner:
    """Runs jobs in the calling thread; several threads may share one.

    *watch* is told of each deadline that begins, *loop* gives the event loop on which ``async def`` jobs run.
    """

    context: RunContext
    watch: Callable[[InFlightJob], None]
    loop: Callable[[], asyncio.AbstractEventLoop]

    def hold(self, jobs: Iterable[Job], expires: float, stopping: threading.Event) -> list[InFlightJob]:
        """Return reserved *jobs* as such to run here."""
        return [self._hold(job, expires, stopping) for job in jobs]

    def _hold(self, job: Job, expires: float, stopping: threading.Event) -> InFlightJob:
        held = InFlightJob(job, expires=expires, stopping=stopping)
        held.means = self.means
        held.transactions = self.context.transactions
        try:
            held.outline = self.context.payloads.peek(job.handler)
            held.is_async = held.outline.is_async
        except Exception:  # noqa: BLE001, S110 - one odd job must not leave all of its batch locked; its run will tell
            pass
        return held

    def means(self, held: InFlightJob) -> Means:
        """Return what the record of *held* needs."""
        context = self.context

        def look() -> None:
            if held.stopping or held.lost or held.interruption.raised is not None:
                held.interruption.leave()

        def may_save() -> None:
            if held.is_in_transaction:
                raise ProgressError("inside transaction() no step is done, and no rows are begun: it ends the job")

        def save(_told: object) -> None:
            may_save()
            if not context.save(held):
                held.interruption.leave()

        clean = Judgement(held, context).cleaner()

        def lines() -> Lines | None:
            return None if context.logs is None or not held.job.keep_log else context.logs.open(held, clean)

        return Means(
            context.clock,
            context.payloads.values,
            clean=clean,
            may_save=may_save,
            save=save,
            source=context.source,
            look=look,
            on_aside=lambda rows, row, deaths: context.reporter.tell(RowSetAside, held.job, rows, row, deaths),
            wary=context.settings.lease.total_seconds(),
            lines=lines,
            wait=Run(held, self).wait,
        )

    def run_in_time(self, held: InFlightJob) -> Outcome:
        """Do as ``run`` with a job that may expire: one that has is not begun."""
        if held.job.expires_at is not None and held.job.is_expired(self.context.clock.now()):
            held.interruption.close()
            return Discarded(f"expired: it had not begun by {iso(held.job.expires_at)}")
        return self.run(held)

    def run(self, held: InFlightJob) -> Outcome:
        """Run the job in a context of its own, and return how that ended, beyond interruption; never raises."""
        return isolated(held.job, Run(held, self).perform)

    def close_log(self, held: InFlightJob) -> None:
        """Store the last lines of a run that has ended."""
        if self.context.logs is not None:
            self.context.logs.close(held)

    def overdue(self, held: InFlightJob, more: str = "") -> Outcome:
        """Return the outcome of a job whose code does not return after it was interrupted; *more* may add to it."""
        return isolated(held.job, lambda: Judgement(held, self.context).of_deafness(more))

    def make_ready(self) -> bool:
        """Wait until the calling thread can run a job; False if it no longer will."""
        return True

    def can_run(self) -> bool:
        """Whether there is any point in reserving jobs."""
        return True

    def abort(self, held: InFlightJob) -> bool:  # noqa: ARG002 - only a process can be ended from outside
        """End the run of *held* against its code's will; False if that is impossible."""
        return False

    def close(self, timeout: float) -> None:
        """Release what is needed to run jobs."""


class Run:
    """One run of a job, in the thread that calls ``perform``."""

    def __init__(self, held: InFlightJob, runner: Runner) -> None:
        self.held = held
        self.context: RunContext = runner.context
        self._runner = runner
        self._outcome: Outcome | None = None

    @property
    def judgement(self) -> Judgement:
        """What decides on an error of the job; most have none."""
        return Judgement(self.held, self.context)

    def perform(self) -> Outcome:
        """Run the job as the event ``perform``, and return how it ended; never raises."""
        own = Descent.generation
        try:
            return self._perform_as_event()
        finally:
            if Descent.generation != own:
                end_copy(sys.exception())

    def execute(self) -> Outcome:
        """Run the job's code here, and return how it ended."""
        held = self.held
        try:
            self.limit()
            returned = held.interruption.run(self._invoke)
        except BaseException as error:  # noqa: BLE001 - whatever a job raises is its outcome, never the worker's end
            if held.committed is not None:
                self.judgement.report("the job, after its transaction was stored")
                return held.committed
            if held.job.cancellation is not None:
                return self.judgement.of_cancellation(error)
            if held.interruption.raised is Interrupted and not isinstance(error, SIGNALS):
                return HandedBack()
            if isinstance(error, JobTimeout) and held.interruption.raised is JobTimeout:
                return self.judgement.of_time_out(error)
            return self.judgement.of(error)
        if held.committed is not None:
            return held.committed
        if held.job.cancellation is not None:  # it has looked by itself, and returned
            return self.judgement.of_cancellation(Cancelled())
        return SUCCEEDED if returned is None else Succeeded(returned)

    def limit(self) -> None:
        """Let the job run no longer than it may, as far as that is said outside of the job object."""
        held, context = self.held, self.context
        declaration = (held.outline or context.payloads.peek(held.job.handler)).declaration
        given = held.job.max_run_time or None
        held.limit_to(applying("max_run_time", given, declaration=declaration, settings=context.settings))
        self._runner.watch(held)

    def _perform_as_event(self) -> Outcome:
        reporter = self.context.reporter
        try:
            if "perform" in reporter.lifecycle.watched:
                reporter.run("perform", self.held.job, body=self._perform)
            else:
                self._perform()
        except BaseException as error:  # noqa: BLE001 - a plugin around the run may raise anything
            if self._outcome is None:
                self._outcome = self.judgement.of(error)
            else:
                self.judgement.report("perform")
        if not self.held.interruption.is_over:
            self.held.interruption.close()  # a plugin did not let it run
        return self._outcome or self.judgement.of(MongoJobsError("a plugin around perform did not let the job run"))

    def _perform(self) -> Outcome:
        job = self.held.job
        waited = (self.context.clock.now() - job.run_at).total_seconds()
        self.context.reporter.tell(JobStarted, job, max(waited, 0.0))
        outcome = self.execute()
        self._outcome = self._outcome or outcome
        return outcome

    def _invoke(self) -> Document | None:
        """Load the payload and run it: the part of the run that may be interrupted; return the result to be kept."""
        held, job = self.held, self.held.job
        call = held.call = self.context.payloads.load(job.handler, held.outline)
        if call.job_object is not None:
            held.limit_to(self.judgement.overrides().max_run_time())
            self._runner.watch(held)
        lifecycle = self.context.reporter.lifecycle
        value = invoke(
            call,
            job,
            lifecycle=lifecycle,
            wait=self.wait,
            wait_for_hook=self._wait_for_hook,
            is_failure=self._is_failure,
        )
        if job.keep_result is None:
            return None
        return stored_result(value, self.context.payloads.codec, self.context.settings.max_result_bytes)

    def _is_failure(self, error: BaseException) -> bool:
        return not self.judgement.is_put_back(error)

    def wait(self, coroutine: Coroutine[Any, Any, object]) -> object:
        """Run *coroutine* on the event loop, and wait in this thread, unless the run is interrupted."""
        self.held.enter_loop()
        try:
            return self.held.interruption.wait_for(coroutine, self._runner.loop(), begins=self._begin_on_loop)
        finally:
            self.held.leave_loop()

    def _begin_on_loop(self) -> None:
        self.held.begin_on_loop()
        self._runner.watch(self.held)

    def _wait_for_hook(self, coroutine: Coroutine[Any, Any, object]) -> object:
        """Wait as for the job; if that was interrupted, to the end, since its last hooks must run all the same."""
        is_over = self.held.interruption.raised is not None
        return run_to_end_on(self._runner.loop(), coroutine) if is_over else self.wait(coroutine)
