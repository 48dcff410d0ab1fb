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
from collections.abc import Callable
from typing import Final

from mongojobs.core.clock import elapsed_seconds
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import BatchDone
from mongojobs.store.faults import DatabaseError
from mongojobs.store.jobs import JobStore
from mongojobs.worker.finish.group import Group
from mongojobs.worker.finish.result import Result
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.outage import Outage

LARGEST_GROUP: Final = 1000
GATHER_SECONDS: Final = 0.02
"""How long results are gathered while more jobs wait for a slot; a fast writer would write each by itself."""
PAUSE_SECONDS: Final = 1.0
WRITING: Final = "writing results"


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
        self.batch = Batch()

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
            while self._waiting and not self._is_over:
                was_asked |= self._write(
                    [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_GROUP))]
                )
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
        """Write what is waiting, through outages of the database, until it is stored, no longer ours, or ``close``."""
        while self._waiting and not self._is_over:
            try:
                was_asked = self.flush()
                if WRITING in self._outage.failing:
                    (self._outage.note_recovered if was_asked else self._outage.note_dropped)(WRITING)
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
        now = elapsed_seconds()
        lost = {one.held for one in results if one.held.is_given_up or now >= one.held.expires}
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
