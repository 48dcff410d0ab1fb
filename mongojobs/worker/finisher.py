"""Writing results: one writer takes whatever has come in since its last write, and writes it at once.

So a quiet worker writes each result when it comes, and a busy one writes many together (group commit). A result is
tried again until it is stored, or the job is not ours any more.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import assert_never

from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import (
    BatchDone,
    JobCompleted,
    JobDiscarded,
    JobErrored,
    JobFailed,
    JobLost,
    JobSnoozed,
    Notice,
)
from mongojobs.store.faults import DatabaseError, describe
from mongojobs.store.jobs import JobStore
from mongojobs.worker.holdings import Held, Holdings
from mongojobs.worker.outage import Outage
from mongojobs.worker.outcome import Discarded, Ending, Errored, GivenUp, Snoozed, Succeeded

LARGEST_GROUP = 1000


class Result:
    """How the run of a held job ended, after how many *seconds*, and what has become of writing that."""

    __slots__ = ("held", "is_doubtful", "is_settled", "outcome", "seconds")

    def __init__(self, held: Held, outcome: Ending, seconds: float) -> None:
        self.held = held
        self.outcome = outcome
        self.seconds = seconds
        self.is_doubtful = False
        """Whether an earlier write of it got no answer, so that it may be stored already."""
        self.is_settled = False
        """Whether it is stored, or dropped because the job is not ours any more."""


class Finisher:
    """The results of one process on their way to the store."""

    def __init__(self, store: JobStore, holdings: Holdings, lifecycle: Lifecycle, *, worker: str) -> None:
        self._store = store
        self._holdings = holdings
        self._lifecycle = lifecycle
        self._worker = worker
        self._outage = Outage(lifecycle, worker)
        self._waiting: deque[Result] = deque()
        self._arrived = threading.Event()
        self._closing = threading.Event()
        self._writing = threading.Lock()
        self.batch = Batch()

    def submit(self, result: Result) -> None:
        """Hand over a result; the writer thread takes it from here."""
        self._waiting.append(result)
        self._arrived.set()

    def run(self) -> None:
        """Write results as they come, until ``close``: the body of the writer thread."""
        while not self._closing.is_set():
            self._arrived.wait()
            self._arrived.clear()
            self.write_patiently()
            if self._holdings.is_empty():
                self._report_batch()

    def flush(self) -> None:
        """Write what waits now. Raises DatabaseError, then the rest still waits."""
        with self._writing:
            while self._waiting:
                self._write([self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_GROUP))])

    def close(self) -> None:
        """Let the writer thread end after what it is writing."""
        self._closing.set()
        self._arrived.set()

    def write_patiently(self) -> None:
        """Write what waits, through outages of the database, until it is stored, or not ours any more, or ``close``."""
        while self._waiting:
            try:
                self.flush()
                self._outage.over()
            except DatabaseError as error:
                if self._closing.wait(self._outage.failed("writing results", describe(error))):
                    return

    def _report_batch(self) -> None:
        jobs, failures, seconds = self.batch.end()
        if jobs:
            self._lifecycle.notify(BatchDone(self._worker, jobs, failures, seconds))

    def _write(self, group: list[Result]) -> None:
        """Write *group*; what an error leaves unwritten goes back to the head of the queue."""
        try:
            self._drop_lost(group)
            self._finish_successes(group)
            for result in group:
                if not result.is_settled:
                    self._settle(result, ours=self._transition(result))
        except DatabaseError:
            rest = [result for result in group if not result.is_settled]
            for result in rest:
                result.is_doubtful = True
            self._waiting.extendleft(reversed(rest))
            raise

    def _drop_lost(self, group: list[Result]) -> None:
        """Drop results of jobs whose locks were not renewed for a whole lease: others may run them now."""
        for result in group:
            if result.held.lost or result.held.has_expired:
                self._settle(result, ours=False)

    def _finish_successes(self, group: list[Result]) -> None:
        """Write all successes of *group* in one go."""
        succeeded = [one for one in group if isinstance(one.outcome, Succeeded) and not one.is_settled]
        if not succeeded:
            return
        jobs = [result.held.job for result in succeeded]
        lost = self._store.finish(jobs, repeated=any(result.is_doubtful for result in succeeded))
        lost_keys = {(job.id, job.fence) for job in lost}
        for result in succeeded:
            self._settle(result, ours=result.held.key not in lost_keys)

    def _transition(self, result: Result) -> bool:
        job, store, repeated = result.held.job, self._store, result.is_doubtful
        match result.outcome:
            case Succeeded():
                return not store.finish([job], repeated=repeated)
            case Errored(error, run_at):
                return store.reschedule(job, error=error, run_at=run_at, repeated=repeated)
            case GivenUp(error, _, destroy):
                return store.fail(job, error=error, destroy=destroy, repeated=repeated)
            case Snoozed(delay):
                return store.snooze(job, run_at=store.clock.now() + delay, repeated=repeated)
            case Discarded(reason):
                return store.discard(job, reason=reason, repeated=repeated)
            case _:
                assert_never(result.outcome)

    def _settle(self, result: Result, *, ours: bool) -> None:
        result.is_settled = True
        self.batch.count(failed=isinstance(result.outcome, Errored | GivenUp))
        self._holdings.written([result.held])
        if not ours:
            result.held.lost = True
            what = f"its result ({type(result.outcome).__name__.lower()})"
            self._lifecycle.notify(JobLost(self._worker, result.held.job, what))
            return
        for notice in _notices(self._worker, result):
            self._lifecycle.notify(notice)


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
        done = self._jobs, self._failures, time.monotonic() - self._since
        self._jobs, self._failures = 0, 0
        return done


def _notices(worker: str, result: Result) -> list[Notice]:
    job, seconds = result.held.job, result.seconds
    match result.outcome:
        case Succeeded():
            return [JobCompleted(worker, job, seconds)]
        case Errored(error):
            return [JobErrored(worker, job, seconds, error.error)]
        case GivenUp(error, reason):
            return [JobErrored(worker, job, seconds, error.error), JobFailed(worker, job, reason)]
        case Snoozed(delay):
            return [JobSnoozed(worker, job, delay.total_seconds())]
        case Discarded(reason):
            return [JobDiscarded(worker, job, reason)]
        case _:
            assert_never(result.outcome)
