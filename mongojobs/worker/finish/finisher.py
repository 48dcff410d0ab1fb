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
from collections.abc import Callable, Collection, Iterable
from typing import Final

from mongojobs.core.clock import elapsed_seconds
from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import BatchDone
from mongojobs.store.faults import DatabaseError, describe, is_about_document, is_passing
from mongojobs.store.jobs import JobStore
from mongojobs.worker.finish.result import Result
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.outage import Outage
from mongojobs.worker.run.inflight_job import InFlightJob

LARGEST_GROUP: Final = 1000
GATHER_SECONDS: Final = 0.02
"""How long results are gathered while more jobs wait for a slot; a fast writer would write each by itself."""
PAUSE_SECONDS: Final = 1.0
WRITING: Final = "writing results"
MOST_REFUSALS: Final = 10
"""After this many in a row the writer pauses: by then the results are hardly to blame."""


class Finisher:
    """The results of one process on their way to the store; after each write *on_written* is called."""

    def __init__(
        self,
        store: JobStore,
        in_flight: InFlight,
        reporter: Reporter,
        outage: Outage,
        *,
        on_written: Callable[[], object] = lambda: None,
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._reporter = reporter
        self._outage = outage
        self._on_written = on_written
        self._waiting: deque[Result] = deque()
        self._arrived = threading.Event()
        self._closing = threading.Event()
        self._writing = threading.Lock()
        self._is_over = False
        self.batch: Batch = Batch()

    def submit(self, result: Result) -> None:
        """Hand over a result; the writer thread takes it from here."""
        self._waiting.append(result)
        if not self._arrived.is_set():  # to set it again costs as much as all else here
            self._arrived.set()

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

    def flush(self) -> bool:
        """Write what is waiting now, unless all is over; return whether the database was asked.

        Raises DatabaseError; the rest is still waiting then.
        """
        was_asked = False
        with self._writing:
            left = len(self._waiting)
            while left > 0 and not self._is_over:
                group = [self._waiting.popleft() for _ in range(min(left, LARGEST_GROUP))]
                left -= len(group)
                was_asked |= self._write(group)
        return was_asked

    def close(self) -> None:
        """Let the writer thread end after its current write."""
        self._closing.set()
        self._arrived.set()

    def give_up(self) -> int:
        """Write nothing more, as the connections are closing; return how many results remain unwritten."""
        self._is_over = True
        return self._in_flight.unwritten()

    def write_patiently(self) -> None:
        """Write what waits now, through outages of the database, until it is stored, no longer ours, or ``close``."""
        while self._waiting and not self._is_over:
            try:
                was_asked = self.flush()
                if WRITING in self._outage.failing:
                    (self._outage.note_recovered if was_asked else self._outage.note_dropped)(WRITING)
                return
            except DatabaseError as error:
                if self._closing.is_set() or self._closing.wait(self._outage.note_failure(WRITING, error)):
                    return

    def _report_batch(self) -> None:
        jobs, failures, seconds = self.batch.end()
        if jobs:
            self._reporter.tell(BatchDone, jobs, failures, seconds)

    def _write(self, results: list[Result]) -> bool:
        """Write *results*; return whether the database was asked.

        Raises DatabaseError; what is unwritten waits again, refused ones behind the rest.
        """
        lost = _lost_among(results)
        group = Group(results, self._store, self._reporter)
        try:
            if lost:
                group.drop(lost)
            group.write()
        finally:
            self._waiting.extendleft(one for one in reversed(results) if not (one.is_settled or one in group.refused))
            self._waiting.extend(group.refused)
            self._note_settled([result for result in results if result.is_settled])
        if group.refused:
            raise group.refused.popitem()[1]
        return len(lost) < len(results)

    def _note_settled(self, results: list[Result]) -> None:
        self.batch.count(len(results), failures=sum([result.has_failed for result in results]))
        self._in_flight.written([result.held for result in results])
        self._on_written()


class Group:
    """Writes *results* in as few calls as possible, and settles those that are stored or dropped."""

    def __init__(self, results: list[Result], store: JobStore, reporter: Reporter) -> None:
        self._results = results
        self._store = store
        self._reporter = reporter
        self.refused: dict[Result, DatabaseError] = {}
        """Those that the database does not take, each with its error."""

    def write(self) -> None:
        """Write all. Raises DatabaseError for a passing error, or if too many are refused."""
        for alike in _alike([result for result in self._results if not result.is_settled]):
            self._write_together(alike)

    def drop(self, lost: Collection[InFlightJob]) -> None:
        """Drop results of jobs whose locks were not renewed for a whole lease: others may be running them now."""
        for result in self._results:
            if result.held in lost:
                result.settle_lost(self._reporter)

    def _write_together(self, results: list[Result]) -> None:
        """Write *results*, which are alike, in one call; in halves if one of them may have caused an error."""
        try:
            not_ours = self._store_all(results)
        except Exception as error:
            for result in results:
                result.is_doubtful = True
            if is_passing(error):
                raise
            self._find_fault(results, error)
            return
        lost = {(job.id, job.lock_token) for job in not_ours} if not_ours else ()
        for result in results:
            if result.held.key in lost:
                result.settle_lost(self._reporter)
            else:
                if result.held.job.cancellation is not None:
                    result.note_cancellation()
                result.settle(self._reporter)

    def _find_fault(self, results: list[Result], error: Exception) -> None:
        if len(results) == 1:
            self._refuse(results[0], error)
            return
        middle = len(results) // 2
        self._write_together(results[:middle])
        self._write_together(results[middle:])

    def _refuse(self, result: Result, error: Exception) -> None:
        if not isinstance(error, DatabaseError) or is_about_document(error):
            why = f", which cannot be stored: {type(error).__name__}: {describe(error)}"
            result.settle_lost(self._reporter, why)
            return
        self.refused[result] = error
        if len(self.refused) >= MOST_REFUSALS:
            raise error

    def _store_all(self, results: list[Result]) -> list[Job]:
        """Write *results*, which are alike; return the jobs that were no longer ours."""
        jobs = [result.held.job for result in results if result.held.committed is None]
        repeated = results[0].is_doubtful
        if results[0].is_plain:
            return self._store.finish(jobs, repeated=repeated)
        if len(results) == 1:
            return [] if self._store.end(jobs[0], results[0].outcome, repeated=repeated) else jobs
        return self._store.end_all([(result.held.job, result.outcome) for result in results], repeated=repeated)


class Batch:
    """What has been done since the worker last held nothing, for its line in the log."""

    def __init__(self) -> None:
        self._jobs = 0
        self._failures = 0
        self._since = time.monotonic()

    def begin(self) -> None:
        """Start timing, unless a batch is under way."""
        if not self._jobs:
            self._since = time.monotonic()

    def count(self, jobs: int, *, failures: int) -> None:
        """Count more jobs, and the failures among them."""
        self._jobs += jobs
        self._failures += failures

    def end(self) -> tuple[int, int, float]:
        """Return the jobs, the failures among them and the seconds, and start over."""
        now = time.monotonic()
        done = self._jobs, self._failures, now - self._since
        self._jobs, self._failures, self._since = 0, 0, now
        return done


def _lost_among(results: Iterable[Result]) -> set[InFlightJob]:
    """Return the jobs of *results* that are ``lost``, by one look at the clock: there may be a thousand."""
    now = elapsed_seconds()
    return {one.held for one in results if one.held.is_given_up or now >= one.held.expires}


def _alike(results: Iterable[Result]) -> Iterable[list[Result]]:
    """Group what can be written in one call: successes, all else, and apart from these what may be written already."""
    groups: dict[tuple[bool, bool], list[Result]] = {}
    for result in results:
        groups.setdefault((not result.is_plain, result.is_doubtful), []).append(result)
    return [groups[kind] for kind in sorted(groups)]
