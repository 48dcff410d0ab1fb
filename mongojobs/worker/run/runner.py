"""Running one job: from its payload to an outcome. Knows no MongoDB."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from mongojobs.core.calling import isolated
from mongojobs.core.clock import Clock, truncate
from mongojobs.core.errors import (
    SHORTEST_SNOOZE,
    DeserializationError,
    Discard,
    DocumentGoneError,
    Interrupted,
    JobTimeout,
    MongoJobsError,
    NewerPayloadError,
    Snooze,
    UndeclaredError,
)
from mongojobs.core.job import ErrorText, Job, running
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobStarted
from mongojobs.core.retry import LONGEST_DELAY, deferral, delay_after
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import Deferred, Discarded, Errored, GivenUp, HandedBack, Outcome, Snoozed, Succeeded
from mongojobs.core.words.durations import format_duration
from mongojobs.core.words.wording import counted
from mongojobs.payload.calls.handler import Call, Payloads
from mongojobs.payload.calls.invoke import call_hook, invoke, run_to_end
from mongojobs.payload.masking import Clean, cleaner
from mongojobs.payload.registry import Declaration
from mongojobs.process.copies import CopiesEndHere
from mongojobs.worker.inflight import LONG_BLOCK_SECONDS, InFlightJob
from mongojobs.worker.run.error_text import LARGEST_ERROR_BYTES, cut, error_text, summary
from mongojobs.worker.run.interruption import run_to_end_on
from mongojobs.worker.run.overrides import Overrides


@dataclass(frozen=True, slots=True)
class RunContext:
    """What every run needs to know and to tell."""

    payloads: Payloads
    settings: Settings
    reporter: Reporter
    clock: Clock


class Runner:
    """Runs jobs in the thread that calls it; several threads may share one.

    *watch* is told of each deadline that begins, *loop* gives the event loop on which ``async def`` jobs run.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        watch: Callable[[InFlightJob], None],
        loop: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        self._context = context
        self._payloads = context.payloads
        self._settings = context.settings
        self._reporter = context.reporter
        self._clock = context.clock
        self._watch = watch
        self._loop = loop

    def hold(self, job: Job, *, expires: float, stopping: threading.Event) -> InFlightJob:
        """Return a reserved *job* as one to run here."""
        return InFlightJob(job, expires=expires, is_async=self._is_async(job), stopping=stopping)

    def run(self, held: InFlightJob) -> Outcome:
        """Run the job in a context of its own, and return how that ended; never raises."""
        return isolated(partial(self._run, held))

    def overdue(self, held: InFlightJob, more: str = "") -> Outcome:
        """Return what becomes of a job whose code does not return after its time-out; there may be *more* to tell."""
        error = JobTimeout(f"{_too_long(held)}, and the code did not return{_blocking(held)}{more}")
        with running(held.job):
            return self._judged(error, held)

    def make_ready(self) -> bool:
        """Wait until the calling thread can run a job; false when it will not be able to any more."""
        return True

    def can_run(self) -> bool:
        """Whether it is of use to reserve jobs."""
        return True

    def abort(self, held: InFlightJob) -> bool:  # noqa: ARG002 - only a process can be ended from outside
        """End the run of *held* against the will of its code; false where that cannot be done."""
        return False

    def close(self, timeout: float) -> None:
        """Let go of what is needed to run jobs."""

    def _is_async(self, job: Job) -> bool:
        try:
            return self._payloads.peek(job.handler).is_async
        except Exception:  # noqa: BLE001 - one odd job must not leave all of its batch locked; its run will tell
            return False

    def _run(self, held: InFlightJob) -> Outcome:
        outcomes: list[Outcome] = []

        def perform() -> Outcome:
            outcomes.append(self._perform(held))
            return outcomes[0]

        with running(held.job), CopiesEndHere():
            try:
                self._reporter.run("perform", held.job, body=perform)
            except BaseException as error:  # noqa: BLE001 - a plugin around the run may raise anything
                if not outcomes:
                    return self._judged(error, held)
                self._tell(held.job, "perform")
            if not outcomes:
                return self._judged(MongoJobsError("a plugin around perform did not let the job run"), held)
        return outcomes[0]

    def _perform(self, held: InFlightJob) -> Outcome:
        self._tell_start(held)
        try:
            self._limit(held)
            held.interruption.run(lambda: self._invoke(held))
        except BaseException as error:  # noqa: BLE001 - whatever a job raises is its outcome, never the worker's end
            if held.interruption.raised is Interrupted and not isinstance(error, Snooze | Discard):
                return HandedBack()
            if isinstance(error, JobTimeout) and held.interruption.raised is JobTimeout:
                error.args = (f"{_too_long(held)}{_blocking(held)}",)
            return self._judged(error, held)
        return Succeeded()

    def _invoke(self, held: InFlightJob) -> None:
        """Load the payload and run it: all of the job that may be interrupted."""
        call = held.call = self._payloads.load(held.job.handler)
        if call.job_object is not None:
            self._limit(held)
        wait, wait_for_hook = partial(self._wait, held), partial(self._wait_for_hook, held)
        invoke(call, held.job, lifecycle=self._reporter.lifecycle, wait=wait, wait_for_hook=wait_for_hook)

    def _wait(self, held: InFlightJob, coroutine: Coroutine[Any, Any, object]) -> object:
        def begins() -> None:
            held.begin_on_loop()
            self._watch(held)

        held.enter_loop()
        try:
            return held.interruption.wait_for(coroutine, self._loop(), begins=begins)
        finally:
            held.leave_loop()

    def _wait_for_hook(self, held: InFlightJob, coroutine: Coroutine[Any, Any, object]) -> object:
        """Wait as for the job; where that was interrupted, to the end, since its last hooks are to run all the same."""
        is_over = held.interruption.raised is not None
        return run_to_end_on(self._loop(), coroutine) if is_over else self._wait(held, coroutine)

    def _limit(self, held: InFlightJob) -> None:
        held.limit_to(self._overrides(held.job, held.call).max_run_time())
        self._watch(held)

    def _tell_start(self, held: InFlightJob) -> None:
        waited = max((self._clock.now() - held.job.run_at).total_seconds(), 0.0)
        self._reporter.tell(JobStarted, held.job, waited)

    def _judged(self, error: BaseException, held: InFlightJob) -> Outcome:
        """Return what becomes of a job that raised *error*, whatever the app's code does that is asked about it."""
        job = held.job
        try:
            return self._outcome_of(error, job, held.call)
        except BaseException:  # noqa: BLE001 - without an outcome the job would be held for ever
            self._tell(job, "the handling of its error")
            text = ErrorText(error=self._summary(error, job))
            return Errored(text, truncate(self._clock.now() + delay_after(job.attempts + 1)))

    def _outcome_of(self, error: BaseException, job: Job, call: Call | None) -> Outcome:
        declaration = self._declaration(job, call)
        match error:
            case Snooze():
                return Snoozed(min(max(error.delay, SHORTEST_SNOOZE), LONGEST_DELAY))
            case Discard():
                return Discarded(cut(self._clean(job)(str(error.reason)), LARGEST_ERROR_BYTES))
            case DocumentGoneError() if declaration and declaration.on_missing == "discard":
                return Discarded(self._summary(error, job))
            case UndeclaredError() if (
                call is None and (waited := self._deferred_for(job)) < self._settings.undeclared_for
            ):
                return Deferred(self._summary(error, job), deferral(waited))
            case _ if declaration and isinstance(error, declaration.discard_on):
                return Discarded(self._summary(error, job))
            case _:
                return self._failed(error, job, call)

    def _deferred_for(self, job: Job) -> timedelta:
        """Return for how long workers have come upon *job* that could not load it."""
        now = self._clock.now()
        return now - (job.deferred_since or now)

    def _failed(self, error: BaseException, job: Job, call: Call | None) -> Outcome:
        """Decide between another try and giving up, and run the callbacks of that."""
        overrides = self._overrides(job, call)
        text = error_text(error, self._clean(job))
        reason = self._reason_to_give_up(error, job, call, overrides.max_attempts())
        failed = dataclasses.replace(job, attempts=job.attempts + 1, last_error=text.full)
        if isinstance(error, DeserializationError) and reason:
            self._tell_failure(failed, call)
        else:
            self._tell_error(failed, call, for_good=reason is not None)
        if reason is None:
            return Errored(text, overrides.next_run(self._clock.now()))
        destroy = overrides.destroy_failed_jobs() and not isinstance(error, NewerPayloadError | UndeclaredError)
        return GivenUp(text, reason, destroy)

    def _reason_to_give_up(self, error: BaseException, job: Job, call: Call | None, max_attempts: int) -> str | None:
        declaration = self._declaration(job, call)
        if isinstance(error, UndeclaredError) and call is None:
            return f"no worker could load it for {format_duration(self._settings.undeclared_for)} (undeclared_for)"
        if isinstance(error, DeserializationError) and not _waits_for_document(error, declaration):
            return "its payload cannot be loaded"
        if declaration and declaration.retry_on is not None and not isinstance(error, declaration.retry_on):
            return f"{type(error).__name__} is none of the errors to retry on"
        if job.attempts + 1 >= max_attempts:
            return counted(job.attempts + 1, "consecutive failure")
        return None

    def _tell_error(self, job: Job, call: Call | None, *, for_good: bool) -> None:
        """Run the ``error`` event, and the ``failure`` event inside it when the job is given up on."""
        inner = (lambda: self._tell_failure(job, call)) if for_good else _nothing
        self._guarded(job, "error", lambda: self._reporter.run("error", job, body=inner))

    def _tell_failure(self, job: Job, call: Call | None) -> None:
        """Run the ``failure`` event with the job object's hook; what they raise changes nothing."""

        def hook() -> None:
            target = call and call.job_object
            self._guarded(job, "the failure hook", lambda: call_hook(target, "failure", job, wait=run_to_end))

        self._guarded(job, "failure", lambda: self._reporter.run("failure", job, body=hook))

    def _guarded(self, job: Job, what: str, callbacks: Callable[[], object]) -> None:
        try:
            callbacks()
        except Exception:  # noqa: BLE001 - callbacks of the app may raise anything; the job's result stands
            self._tell(job, what)

    def _tell(self, job: Job, what: str) -> None:
        """Tell of the exception that is being handled."""
        self._reporter.report_exception(what, job, clean=self._clean(job))

    def _summary(self, error: BaseException, job: Job) -> str:
        return cut(self._clean(job)(summary(error)), LARGEST_ERROR_BYTES)

    def _clean(self, job: Job) -> Clean:
        """Return what takes the secrets of *job* out of a text about it; whatever is wrong with the payload."""
        try:
            return cleaner(job.handler, self._payloads, self._settings.redact)
        except Exception:  # noqa: BLE001 - without an outcome the job would be held for ever
            return _hide

    def _overrides(self, job: Job, call: Call | None) -> Overrides:
        declaration = self._declaration(job, call)
        return Overrides(job, call, declaration, self._settings, lambda name, _error: self._tell(job, name))

    def _declaration(self, job: Job, call: Call | None) -> Declaration | None:
        return call.declaration if call else self._payloads.peek(job.handler).declaration


def _waits_for_document(error: DeserializationError, declaration: Declaration | None) -> bool:
    return isinstance(error, DocumentGoneError) and declaration is not None and declaration.on_missing == "retry"


def _too_long(held: InFlightJob) -> str:
    return f"the job ran longer than its max_run_time of {format_duration(held.limit)}"


def _blocking(held: InFlightJob) -> str:
    """Return what is to be said of a job that did not let the event loop turn, so that no time-out could reach it."""
    if held.loop_time is None or held.loop_time.blocked < LONG_BLOCK_SECONDS:
        return ""
    seconds = f"{held.loop_time.blocked:.1f} s"
    return f"; it blocked the event loop for {seconds}, where no time-out reaches it: let it await, or be no async def"


def _hide(_text: str) -> str:
    return "(hidden, since nobody can tell what is secret in this payload)"


def _nothing() -> None:
    """Be the body of an event that has none."""
