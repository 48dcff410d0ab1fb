"""What happens to a job whose run fails: another attempt, later, or none, by the values that apply to this job."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from mongojobs.core.clock import Clock, truncate
from mongojobs.core.errors import (
    SHORTEST_SNOOZE,
    Cancelled,
    DeserializationError,
    Discard,
    DocumentGoneError,
    Interrupted,
    JobTimeout,
    NewerPayloadError,
    Snooze,
    TransactionConflictError,
    UndeclaredError,
)
from mongojobs.core.inside.sources import Key, Source, listed
from mongojobs.core.job import ErrorText, Job
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.limits import LONGEST_ERROR, cut
from mongojobs.core.retry import LONGEST_DELAY, deferral, delay_after
from mongojobs.core.settings import Settings
from mongojobs.core.transitions import (
    Conflicted,
    Deferred,
    Discarded,
    Errored,
    GivenUp,
    Outcome,
    RunCancelled,
    Snoozed,
)
from mongojobs.core.words.durations import format_duration
from mongojobs.core.words.wording import counted
from mongojobs.payload.calls.handler import Payloads
from mongojobs.payload.calls.invoke import call_hook, run_to_end
from mongojobs.payload.masking import Clean, cleaner
from mongojobs.payload.registry import Declaration
from mongojobs.worker.run.error_text import error_text, summary, writable
from mongojobs.worker.run.inflight_job import LONG_BLOCK_SECONDS, InFlightJob, Logs
from mongojobs.worker.run.overrides import Overrides
from mongojobs.worker.run.transaction import Transactions

_CONFLICT_DELAY: Final = timedelta(milliseconds=100)
"""How long a job waits at least before it tries its transaction again."""
_MOST_DOUBLINGS: Final = 6
"""How often that doubles: a transaction whose process died is in the way for a minute, which must not be all tries."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What every run needs to know and to tell."""

    payloads: Payloads
    settings: Settings
    reporter: Reporter
    clock: Clock
    transactions: Transactions | None = None
    """What gives jobs transactions of their own; None where there are none."""
    save: Callable[[InFlightJob], bool] = lambda _held: True
    """Stores at once what a job has told of itself; False if the job is lost."""
    source: Callable[[Any, Key], Source] = listed
    """Finds the rows that a job goes through."""
    logs: Logs | None = None
    """Where the lines go of jobs that keep their log; None where nothing is kept."""


class Judgement:
    """Turns the errors of one run into outcomes, with their events and hooks.

    It goes by what the job says itself, then its job object, its declaration, and the settings.
    """

    def __init__(self, held: InFlightJob, context: RunContext) -> None:
        self._held = held
        self._context = context

    def overrides(self) -> Overrides:
        """Return the values that apply to the job, as far as it is loaded."""
        held, settings = self._held, self._context.settings
        return Overrides(held.job, held.call, self._declaration(), settings, lambda name, _error: self.report(name))

    def of(self, error: BaseException) -> Outcome:
        """Return what happens to the job that raised *error*, whatever the app's own code does when asked."""
        try:
            return self._outcome_of(error)
        except BaseException:  # noqa: BLE001 - without an outcome the job would be held for ever
            self.report("the handling of its error")
            text = ErrorText(error=self._summary(error))
            return Errored(text, truncate(self._context.clock.now() + delay_after(self._held.job.attempts + 1)))

    def of_time_out(self, error: JobTimeout) -> Outcome:
        """Return the outcome of a job whose code was ended by its timeout with *error*."""
        error.args = (f"{_too_long(self._held)}{_blocking(self._held)}",)
        return self.of(error)

    def of_deafness(self, more: str = "") -> Outcome:
        """Return the outcome of a job whose code does not return in time; *more* may add to it."""
        held = self._held
        if held.committed is not None:
            return held.committed
        if held.job.cancellation is not None:
            return self._cancelled(f"the code did not return{_blocking(held)}{more}")
        return self.of(JobTimeout(f"{_too_long(held)}, and the code did not return{_blocking(held)}{more}"))

    def of_cancellation(self, error: BaseException) -> Outcome:
        """Return the outcome of a job that was cancelled, and whose code has ended with *error*."""
        is_usual = isinstance(error, Cancelled | Interrupted | asyncio.CancelledError | Snooze | Discard)
        return self._cancelled("" if is_usual else self._summary(error))

    def is_put_back(self, error: BaseException) -> bool:
        """Whether a job that raised *error* just runs again: its transaction met a conflict, and not too often yet."""
        is_conflict = isinstance(error, TransactionConflictError)
        return is_conflict and self._held.job.releases + 1 < self._context.settings.max_releases

    def report(self, what: str) -> None:
        """Report the exception being handled, which *what* raised."""
        self._context.reporter.report_exception(what, self._held.job, clean=self._clean)

    def tell_error(self, job: Job, *, for_good: bool) -> None:
        """Run the ``error`` event, and the ``failure`` event inside it if the job is given up on."""
        inner = (lambda: self.tell_failure(job)) if for_good else _nothing
        self._guarded("error", lambda: self._context.reporter.run("error", job, body=inner))

    def tell_failure(self, job: Job) -> None:
        """Run the ``failure`` event with the job object's hook; nothing they raise changes the outcome."""
        self._tell_end("failure", job)

    def tell_cancelled(self, job: Job) -> None:
        """Run the ``cancelled`` event with the job object's hook; nothing they raise changes the outcome."""
        self._tell_end("cancelled", job)

    def _tell_end(self, event: str, job: Job) -> None:
        def hook() -> None:
            target = self._held.call and self._held.call.job_object
            self._guarded(f"the {event} hook", lambda: call_hook(target, event, job, wait=run_to_end))

        self._guarded(event, lambda: self._context.reporter.run(event, job, body=hook))

    def _cancelled(self, fault: str) -> RunCancelled:
        try:
            self.tell_cancelled(self._held.job)
        except BaseException:  # noqa: BLE001 - without an outcome the job would be held for ever
            self.report("the handling of its cancellation")
        return RunCancelled(fault)

    def _outcome_of(self, error: BaseException) -> Outcome:
        declaration = self._declaration()
        match error:
            case Snooze():
                return Snoozed(min(max(error.delay, SHORTEST_SNOOZE), LONGEST_DELAY))
            case Discard():
                return Discarded(cut(writable(self._clean(str(error.reason))), LONGEST_ERROR))
            case _ if self.is_put_back(error):
                delay = _CONFLICT_DELAY * 2 ** min(self._held.job.releases, _MOST_DOUBLINGS)
                return Conflicted(self._summary(error), delay * random.uniform(1, 2))
            case DocumentGoneError() if declaration and declaration.on_missing == "discard":
                return Discarded(self._summary(error))
            case UndeclaredError() if (
                self._held.call is None and (waited := self._deferred_for()) < self._context.settings.undeclared_for
            ):
                return Deferred(self._summary(error), deferral(waited))
            case _ if declaration and isinstance(error, declaration.discard_on):
                return Discarded(self._summary(error))
            case _:
                return self._failed(error)

    def _failed(self, error: BaseException) -> Outcome:
        """Decide between another try and giving up, and run the callbacks for it."""
        job, overrides = self._held.job, self.overrides()
        text = error_text(error, self._clean)
        reason = self._reason_to_give_up(error, overrides.max_attempts())
        failed = dataclasses.replace(job, attempts=job.attempts + 1, last_error=text.full)
        if isinstance(error, DeserializationError) and reason:
            self.tell_failure(failed)
        else:
            self.tell_error(failed, for_good=reason is not None)
        if reason is None:
            return Errored(text, overrides.next_run(self._context.clock.now()))
        destroy = overrides.destroy_failed_jobs() and not isinstance(error, NewerPayloadError | UndeclaredError)
        return GivenUp(text, reason, destroy)

    def _reason_to_give_up(self, error: BaseException, max_attempts: int) -> str | None:
        declaration, failures = self._declaration(), self._held.job.attempts + 1
        if isinstance(error, UndeclaredError) and self._held.call is None:
            return (
                f"no worker could load it for {format_duration(self._context.settings.undeclared_for)} (undeclared_for)"
            )
        if isinstance(error, DeserializationError) and not _waits_for_document(error, declaration):
            return "its payload cannot be loaded"
        if declaration and declaration.retry_on is not None and not isinstance(error, declaration.retry_on):
            return f"{type(error).__name__} is none of the errors to retry on"
        return counted(failures, "consecutive failure") if failures >= max_attempts else None

    def _deferred_for(self) -> timedelta:
        """Return for how long workers have met the job and could not load it."""
        now = self._context.clock.now()
        return now - (self._held.job.deferred_since or now)

    def _declaration(self) -> Declaration | None:
        held = self._held
        if held.call is not None:
            return held.call.declaration
        return (held.outline or self._context.payloads.peek(held.job.handler)).declaration

    def _guarded(self, what: str, callbacks: Callable[[], object]) -> None:
        try:
            callbacks()
        except Exception:  # noqa: BLE001 - callbacks of the app may raise anything; the job's result stands
            self.report(what)

    def _summary(self, error: BaseException) -> str:
        return cut(writable(self._clean(summary(error))), LONGEST_ERROR)

    def _clean(self, text: str) -> str:
        """Return *text* without the job's secrets, whatever is wrong with its payload."""
        return self.cleaner()(text)

    def cleaner(self) -> Clean:
        """Return what takes the job's secrets out of a text."""
        try:
            return cleaner(self._held.job.handler, self._context.payloads, self._context.settings.redact)
        except Exception:  # noqa: BLE001 - without an outcome the job would be held for ever
            return _hide


def _waits_for_document(error: DeserializationError, declaration: Declaration | None) -> bool:
    return isinstance(error, DocumentGoneError) and declaration is not None and declaration.on_missing == "retry"


def _too_long(held: InFlightJob) -> str:
    return f"the job ran longer than its max_run_time of {format_duration(held.limit)}"


def _blocking(held: InFlightJob) -> str:
    """Return what to say about a job that kept the event loop from turning, so that no timeout could reach it."""
    if held.loop_time is None or held.loop_time.blocked < LONG_BLOCK_SECONDS:
        return ""
    seconds = f"{held.loop_time.blocked:.1f} s"
    return f"; it blocked the event loop for {seconds}, where no timeout reaches it: make it await, or a plain def"


def _hide(_text: str) -> str:
    return "(hidden, since it is unknown what is secret in this payload)"


def _nothing() -> None:
    """Be the body of an event that has none."""
