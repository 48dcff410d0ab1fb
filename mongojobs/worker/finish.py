"""Writing results: one writer takes whatever has come in since its last write, and writes it at once.

So a quiet worker writes each result when it comes, and a busy one waits a moment and writes many together (group
commit), of whatever kind they are. A result is tried again until it is stored, or the job is not ours any more; others
do not wait for one that is refused, which is found by halves. One that can never be stored is given up, and its job
left to the rescue.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from itertools import groupby
from typing import Final, assert_never

from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import (
    BatchDone,
    JobCompleted,
    JobCrashed,
    JobDeferred,
    JobDiscarded,
    JobErrored,
    JobFailed,
    JobLost,
    JobSnoozed,
    Notice,
)
from mongojobs.core.transitions import Crashed, Deferred, Discarded, Ending, Errored, GivenUp, Snoozed, Succeeded
from mongojobs.store.faults import DatabaseError, describe, is_about_document, is_passing
from mongojobs.store.jobs import JobStore
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.outage import Outage
from mongojobs.worker.run.inflight_job import InFlightJob

LARGEST_GROUP: Final = 1000
MOST_REFUSALS: Final = 10
"""After so many in a row the writer pauses: then it is hardly the results that are at fault."""
GATHER_SECONDS: Final = 0.02
"""How long results gather while more jobs wait for a slot: a writer that keeps pace would write each by itself."""
PAUSE_SECONDS: Final = 1.0
WRITING: Final = "writing results"


class Result:
    """How the run of a held job ended, after how many *seconds*, and what has become of writing that."""

    __slots__ = ("foretold", "held", "is_doubtful", "is_settled", "is_told", "outcome", "seconds", "telling")

    def __init__(self, held: InFlightJob, outcome: Ending, seconds: float) -> None:
        self.held = held
        self.outcome = outcome
        self.seconds = held.seconds = seconds
        self.is_doubtful = False
        """Whether an earlier write of it got no answer, so that it may be stored already."""
        self.is_settled = False
        """Whether it is stored, or dropped because the job is not ours any more."""
        self.telling = threading.Lock()
        self.is_told = False
        self.foretold: list[Notice] = []
        """What those who listen in order have been told before it is settled."""


class Finisher:
    """The results of one process on their way to the store."""

    def __init__(self, store: JobStore, in_flight: InFlight, reporter: Reporter, outage: Outage) -> None:
        self._store = store
        self._in_flight = in_flight
        self._reporter = reporter
        self._outage = outage
        self._waiting: deque[Result] = deque()
        self._arrived = threading.Event()
        self._closing = threading.Event()
        self._writing = threading.Lock()
        self._is_over = False
        self.batch = Batch()

    def submit(self, result: Result) -> None:
        """Hand over a result; the writer thread takes it from here."""
        self._waiting.append(result)
        self._arrived.set()

    def foretell(self, result: Result) -> None:
        """Tell those who listen in order how a run ended, unless all have been told: its thread begins the next one."""
        if result.is_told:
            return
        with result.telling:
            if not result.is_told:
                result.foretold = _notices(self._reporter.name, result)
                for notice in result.foretold:
                    self._reporter.lifecycle.foretell(notice)

    def run(self) -> None:
        """Write results as they come, until ``close``: the body of the writer thread."""
        while not self._closing.is_set():
            self._arrived.wait()
            self._arrived.clear()
            if self._in_flight.waiting():
                self._closing.wait(GATHER_SECONDS)
            try:
                self.write_patiently()
                if self._in_flight.is_empty():
                    self._report_batch()
            except Exception:  # noqa: BLE001 - without this thread no result would be stored any more
                self._reporter.report_exception(WRITING)
                self._closing.wait(PAUSE_SECONDS)
                self._arrived.set()

    def flush(self) -> None:
        """Write what waits now, unless all is over. Raises DatabaseError, then the rest still waits."""
        with self._writing:
            while self._waiting and not self._is_over:
                self._write([self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_GROUP))])

    def close(self) -> None:
        """Let the writer thread end after what it is writing."""
        self._closing.set()
        self._arrived.set()

    def give_up(self) -> int:
        """Write nothing more, since the connections end; return how many results are left unwritten."""
        self._is_over = True
        return self._in_flight.unwritten()

    def write_patiently(self) -> None:
        """Write what waits, through outages of the database, until it is stored, or not ours any more, or ``close``."""
        while self._waiting and not self._is_over:
            try:
                self.flush()
            except DatabaseError as error:
                if self._closing.is_set() or self._closing.wait(self._outage.note_failure(WRITING, error)):
                    return
        self._outage.note_recovered(WRITING)

    def _report_batch(self) -> None:
        jobs, failures, seconds = self.batch.end()
        if jobs:
            self._reporter.tell(BatchDone, jobs, failures, seconds)

    def _write(self, group: list[Result]) -> None:
        """Write *group*. Raises DatabaseError; what is unwritten then goes back, the refused ones behind the others."""
        refused: dict[Result, DatabaseError] = {}
        try:
            self._drop_lost(group)
            for alike in _alike([result for result in group if not result.is_settled]):
                self._write_together(alike, refused)
        finally:
            rest = [result for result in group if not (result.is_settled or result in refused)]
            self._waiting.extendleft(reversed(rest))
            self._waiting.extend(refused)
            self._in_flight.written([result.held for result in group if result.is_settled])
        if refused:
            raise refused.popitem()[1]

    def _drop_lost(self, group: list[Result]) -> None:
        """Drop results of jobs whose locks were not renewed for a whole lease: others may run them now."""
        for result in group:
            if result.held.lost:
                self._settle_lost(result)

    def _write_together(self, results: list[Result], refused: dict[Result, DatabaseError]) -> None:
        """Write *results*, which are alike, in one go; in halves where one may be at fault for an error.

        Raises DatabaseError for one that will pass, or when too many are *refused*.
        """
        try:
            lost = {(job.id, job.lock_token) for job in self._store_all(results)}
        except Exception as error:
            for result in results:
                result.is_doubtful = True
            if is_passing(error):
                raise
            if len(results) == 1:
                self._refuse(results[0], error, refused)
                return
            middle = len(results) // 2
            self._write_together(results[:middle], refused)
            self._write_together(results[middle:], refused)
            return
        for result in results:
            if result.held.key in lost:
                self._settle_lost(result)
            else:
                self._settle(result)

    def _refuse(self, result: Result, error: Exception, refused: dict[Result, DatabaseError]) -> None:
        if not isinstance(error, DatabaseError) or is_about_document(error):
            self._settle_lost(result, f", which cannot be stored: {type(error).__name__}: {describe(error)}")
            return
        refused[result] = error
        if len(refused) >= MOST_REFUSALS:
            raise error

    def _store_all(self, results: list[Result]) -> list[Job]:
        """Write *results*, which are alike; return the jobs that were not ours any more."""
        jobs, repeated = [result.held.job for result in results], results[0].is_doubtful
        if isinstance(results[0].outcome, Succeeded):
            return self._store.finish(jobs, repeated=repeated)
        if len(results) == 1:
            return [] if self._store.end(jobs[0], results[0].outcome, repeated=repeated) else jobs
        return self._store.end_all([(result.held.job, result.outcome) for result in results], repeated=repeated)

    def _settle(self, result: Result) -> None:
        """Tell of a result that is stored."""
        self._count(result)
        with result.telling:
            for notice in result.foretold or _notices(self._reporter.name, result):
                self._reporter.lifecycle.notify(notice, is_foretold=bool(result.foretold))
            result.is_told = True

    def _settle_lost(self, result: Result, why: str = "") -> None:
        """Tell of a result that is dropped."""
        self._count(result)
        result.held.is_given_up = True
        what = f"its result ({type(result.outcome).__name__.lower()}{why})"
        with result.telling:
            self._reporter.tell(JobLost, result.held.job, what)
            result.is_told = True

    def _count(self, result: Result) -> None:
        result.is_settled = True
        self.batch.count(failed=isinstance(result.outcome, Errored | GivenUp | Crashed))


class Batch:
    """What has been done since the worker last held nothing, for the line that tells of it."""

    def __init__(self) -> None:
        self._jobs = 0
        self._failures = 0
        self._since = time.monotonic()

    def begin(self) -> None:
        """Count the time from now, unless a batch goes on."""
        if not self._jobs:
            self._since = time.monotonic()

    def count(self, *, failed: bool) -> None:
        """Count one more job."""
        self._jobs += 1
        self._failures += failed

    def end(self) -> tuple[int, int, float]:
        """Return the jobs, the failures among them and the seconds, and begin anew."""
        now = time.monotonic()
        done = self._jobs, self._failures, now - self._since
        self._jobs, self._failures, self._since = 0, 0, now
        return done


def _alike(results: Iterable[Result]) -> Iterable[list[Result]]:
    """Group what can be written in one go: successes, and all else; what may be written already apart from the new."""

    def kind(result: Result) -> tuple[bool, bool]:
        return not isinstance(result.outcome, Succeeded), result.is_doubtful

    return [list(alike) for _, alike in groupby(sorted(results, key=kind), key=kind)]


def _notices(worker: str, result: Result) -> list[Notice]:
    job, seconds = result.held.job, result.seconds
    match result.outcome:
        case Succeeded():
            return [JobCompleted(worker, job, seconds)]
        case Errored(error, run_at):
            return [JobErrored(worker, job, seconds, error.error, trace=error.trace, run_at=run_at)]
        case GivenUp(error, reason):
            errored = JobErrored(worker, job, seconds, error.error, given_up=True, trace=error.trace)
            return [errored, JobFailed(worker, job, reason)]
        case Crashed(error, reason):
            failed = [JobFailed(worker, job, reason)] if reason else []
            return [JobCrashed(worker, job, seconds, error.error, given_up=bool(failed), trace=error.trace), *failed]
        case Snoozed(delay):
            return [JobSnoozed(worker, job, seconds, delay.total_seconds())]
        case Deferred(reason, delay):
            return [JobDeferred(worker, job, delay.total_seconds(), reason)]
        case Discarded(reason):
            return [JobDiscarded(worker, job, seconds, reason)]
        case _:
            assert_never(result.outcome)
