"""How one run ended, whether that is stored, and who has been told."""

from __future__ import annotations

import threading
from typing import Final, assert_never

from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import (
    JobCancelled,
    JobCompleted,
    JobConflicted,
    JobCrashed,
    JobDeferred,
    JobDiscarded,
    JobErrored,
    JobFailed,
    JobLost,
    JobSnoozed,
    Notice,
    ResultDropped,
)
from mongojobs.core.transitions import (
    Committed,
    Conflicted,
    Crashed,
    Deferred,
    Discarded,
    Ending,
    Errored,
    GivenUp,
    RunCancelled,
    Snoozed,
    Succeeded,
)
from mongojobs.payload.results import why_not_kept
from mongojobs.worker.run.inflight_job import InFlightJob

_FAILURES: Final = (Errored, GivenUp, Crashed)
_READY_AGAIN: Final = (Errored, Crashed, Snoozed, Deferred, Conflicted)


class Result:
    """How the run of a held job ended, after how many *seconds*, and the state of writing that."""

    __slots__ = (
        "_foretold",
        "_is_told",
        "_telling",
        "has_failed",
        "held",
        "is_doubtful",
        "is_plain",
        "is_settled",
        "outcome",
        "seconds",
    )

    def __init__(self, held: InFlightJob, outcome: Ending, seconds: float) -> None:
        self.held: InFlightJob = held
        self.outcome = outcome
        self.seconds: float = seconds
        held.seconds = seconds
        self.has_failed: bool = isinstance(outcome, _FAILURES)
        """Whether the run counts as a failure."""
        returns_nothing = isinstance(outcome, Succeeded) and outcome.returned is None
        self.is_plain: bool = isinstance(outcome, Committed) or returns_nothing
        """Whether nothing is to be written of it but that it succeeded, if that."""
        self.is_doubtful: bool = False
        """Whether an earlier write of it got no answer, so that it may be stored already."""
        self.is_settled: bool = False
        """Whether it is stored, or dropped because the job is not ours any more."""
        self._telling = threading.Lock()
        self._is_told = False
        self._foretold: list[Notice] = []
        """What those who listen in order have been told before it is settled."""

    def foretell(self, reporter: Reporter) -> None:
        """Tell those who listen in order, unless all have been told."""
        if self._is_told:
            return
        with self._telling:
            if not self._is_told:
                self._foretold = _notices(reporter.name, self)
                for notice in self._foretold:
                    reporter.lifecycle.foretell(notice)

    def note_cancellation(self) -> None:
        """Note how the job has ended, which was cancelled, if it would have become ready again."""
        if isinstance(self.outcome, _READY_AGAIN):
            with self._telling:
                self.outcome, self.has_failed, self._foretold = RunCancelled(), False, []

    def settle(self, reporter: Reporter) -> None:
        """Tell everyone that it is stored."""
        self.is_settled = True
        with self._telling:
            for notice in self._foretold or _notices(reporter.name, self):
                reporter.lifecycle.notify(notice, is_foretold=bool(self._foretold))
            self._is_told = True

    def settle_lost(self, reporter: Reporter, why: str = "") -> None:
        """Tell everyone that it was dropped."""
        self.is_settled = self.held.is_given_up = True
        what = f"its result ({type(self.outcome).__name__.lower()}{why})"
        with self._telling:
            reporter.tell(JobLost, self.held.job, what)
            self._is_told = True


def _notices(worker: str, result: Result) -> list[Notice]:
    job, seconds = result.held.job, result.seconds
    match result.outcome:
        case Succeeded(returned):
            dropped = returned and why_not_kept(returned)
            completed = JobCompleted(worker, job, seconds)
            return [completed, ResultDropped(worker, job, dropped)] if dropped else [completed]
        case Errored(error, run_at):
            return [JobErrored(worker, job, seconds, error.error, trace=error.trace, run_at=run_at)]
        case GivenUp(error, reason):
            errored = JobErrored(worker, job, seconds, error.error, given_up=True, trace=error.trace)
            return [errored, JobFailed(worker, job, reason, error.error, error.trace)]
        case Crashed(error, reason):
            failed = [JobFailed(worker, job, reason, error.error, error.trace)] if reason else []
            return [JobCrashed(worker, job, seconds, error.error, given_up=bool(failed), trace=error.trace), *failed]
        case Snoozed(delay):
            return [JobSnoozed(worker, job, seconds, delay.total_seconds())]
        case Deferred(reason, delay):
            return [JobDeferred(worker, job, delay.total_seconds(), reason)]
        case Conflicted(reason, delay):
            return [JobConflicted(worker, job, seconds, delay.total_seconds(), reason)]
        case Discarded(reason):
            return [JobDiscarded(worker, job, seconds, reason)]
        case RunCancelled(fault):
            return [JobCancelled(worker, job, seconds, fault)]
        case _:
            assert_never(result.outcome)
