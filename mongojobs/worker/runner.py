"""Running one job: from its payload to an outcome. Knows no MongoDB."""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mongojobs.core.clock import Clock
from mongojobs.core.durations import format_duration
from mongojobs.core.errors import (
    DeserializationError,
    Discard,
    DocumentGoneError,
    Interrupted,
    JobTimeout,
    Snooze,
)
from mongojobs.core.job import Job, running
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import CallbackRaised, JobStarted
from mongojobs.core.settings import Settings
from mongojobs.payload.calls import Call, Payloads
from mongojobs.payload.invoking import call_hook, invoke
from mongojobs.payload.registry import Declaration
from mongojobs.worker.errortext import error_text, summary
from mongojobs.worker.holdings import Held
from mongojobs.worker.outcome import Discarded, Errored, GivenUp, HandedBack, Outcome, Snoozed, Succeeded
from mongojobs.worker.overrides import Overrides


class Runner:
    """Runs jobs in the thread that calls it; several threads may share one.

    *watch* is told of each deadline that begins, *loop* gives the event loop on which ``async def`` jobs run.
    """

    def __init__(
        self,
        payloads: Payloads,
        settings: Settings,
        lifecycle: Lifecycle,
        clock: Clock,
        *,
        worker: object,
        watch: Callable[[Held], None],
        loop: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        self._payloads = payloads
        self._settings = settings
        self._lifecycle = lifecycle
        self._clock = clock
        self._worker = worker
        self._watch = watch
        self._loop = loop

    def run(self, held: Held) -> Outcome:
        """Run the job and return how that ended; never raises."""
        job = held.job
        with running(job):
            try:
                return self._lifecycle.run("perform", self._worker, job, body=lambda: self._perform(held))
            except BaseException as error:  # noqa: BLE001 - a plugin around the run may raise anything
                return self._outcome_of(error, job, None)

    def overdue(self, held: Held, error: JobTimeout) -> Outcome:
        """Return what becomes of a job whose code does not return after its time-out."""
        return self._outcome_of(error, held.job, None)

    def _perform(self, held: Held) -> Outcome:
        self._lifecycle.notify(JobStarted(str(self._worker), held.job, self._waited(held.job)))
        loaded: list[Call] = []
        try:
            self._limit(held, None)
            held.interruption.run(lambda: self._invoke(held, loaded))
        except BaseException as error:  # noqa: BLE001 - whatever a job raises is its outcome, never the worker's end
            if isinstance(error, JobTimeout):
                error.args = (f"the job ran longer than its max_run_time of {format_duration(held.limit)}",)
            return self._outcome_of(error, held.job, loaded[0] if loaded else None)
        return Succeeded()

    def _invoke(self, held: Held, loaded: list[Call]) -> None:
        """Load the payload, note it in *loaded*, and run it: all of the job that may be interrupted."""
        call = self._payloads.load(held.job.handler)
        loaded.append(call)
        if call.job_object is not None:
            self._limit(held, call)
        wait = partial(self._wait, held)
        self._lifecycle.run("invoke_job", held.job, body=lambda: invoke(call, held.job, wait=wait))

    def _wait(self, held: Held, coroutine: Coroutine[Any, Any, object]) -> object:
        return held.interruption.wait_for(coroutine, self._loop())

    def _limit(self, held: Held, call: Call | None) -> None:
        held.limit_to(self._overrides(held.job, call).max_run_time())
        self._watch(held)

    def _waited(self, job: Job) -> float:
        return max((self._clock.now() - job.run_at).total_seconds(), 0.0)

    def _outcome_of(self, error: BaseException, job: Job, call: Call | None) -> Outcome:
        declaration = self._declaration(job, call)
        match error:
            case Interrupted():
                return HandedBack()
            case Snooze():
                return Snoozed(error.delay)
            case Discard():
                return Discarded(error.reason)
            case DocumentGoneError() if declaration and declaration.on_missing == "discard":
                return Discarded(summary(error))
            case _ if declaration and isinstance(error, declaration.discard_on):
                return Discarded(summary(error))
            case _:
                return self._failed(error, job, call)

    def _failed(self, error: BaseException, job: Job, call: Call | None) -> Outcome:
        """Decide between another try and giving up, and run the callbacks of that."""
        overrides = self._overrides(job, call)
        text = error_text(error)
        reason = self._reason_to_give_up(error, job, call, overrides.max_attempts())
        failed = dataclasses.replace(job, attempts=job.attempts + 1, last_error=text.full)
        if isinstance(error, DeserializationError) and reason:
            self._tell_failure(failed, call)
        else:
            self._tell_error(failed, call, for_good=reason is not None)
        if reason is None:
            return Errored(text, overrides.next_run(self._clock.now()))
        return GivenUp(text, reason, overrides.destroy_failed_jobs())

    def _reason_to_give_up(self, error: BaseException, job: Job, call: Call | None, max_attempts: int) -> str | None:
        declaration = self._declaration(job, call)
        if isinstance(error, DeserializationError) and not _waits_for_document(error, declaration):
            return "its payload cannot be loaded"
        if declaration and declaration.retry_on is not None and not isinstance(error, declaration.retry_on):
            return f"{type(error).__name__} is none of the errors to retry on"
        if job.attempts + 1 >= max_attempts:
            return f"{job.attempts + 1} consecutive failures"
        return None

    def _tell_error(self, job: Job, call: Call | None, *, for_good: bool) -> None:
        """Run the ``error`` event, and the ``failure`` event inside it when the job is given up on."""
        inner = (lambda: self._tell_failure(job, call)) if for_good else _nothing
        self._guarded(job, "error", lambda: self._lifecycle.run("error", self._worker, job, body=inner))

    def _tell_failure(self, job: Job, call: Call | None) -> None:
        """Run the ``failure`` event with the job object's hook; what they raise changes nothing."""

        def hook() -> None:
            self._guarded(job, "the failure hook", lambda: call_hook(call and call.job_object, "failure", job))

        self._guarded(job, "failure", lambda: self._lifecycle.run("failure", self._worker, job, body=hook))

    def _guarded(self, job: Job, what: str, callbacks: Callable[[], object]) -> None:
        try:
            callbacks()
        except Exception:  # noqa: BLE001 - callbacks of the app may raise anything; the job's result stands
            self._lifecycle.notify(CallbackRaised(str(self._worker), job, what, traceback.format_exc()))

    def _overrides(self, job: Job, call: Call | None) -> Overrides:
        def tell(name: str, _error: Exception) -> None:
            self._lifecycle.notify(CallbackRaised(str(self._worker), job, name, traceback.format_exc()))

        return Overrides(job, call, self._declaration(job, call), self._settings, tell)

    def _declaration(self, job: Job, call: Call | None) -> Declaration | None:
        return call.declaration if call else self._payloads.peek(job.handler).declaration


def _waits_for_document(error: DeserializationError, declaration: Declaration | None) -> bool:
    return isinstance(error, DocumentGoneError) and declaration is not None and declaration.on_missing == "retry"


def _nothing() -> None:
    """Be the body of an event that has none."""
