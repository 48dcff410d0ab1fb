"""Storing what jobs log, a second or 20 lines at a time, those of all jobs in one write.

It begins with the first job that keeps its log. No job waits for it, but at its end, and there for no more than a
moment: while the database is away the last lines wait here, as many as are kept, and earlier ones are dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import Final

from mongojobs.core.clock import Clock, SystemClock, monotonic_seconds
from mongojobs.core.inside.log import FULL, Lines
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import Warned
from mongojobs.core.words.wording import counted
from mongojobs.store.faults import DatabaseError, is_passing
from mongojobs.store.logs.log_store import LogStore
from mongojobs.worker.outage import Outage
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.run.run_log import RunLog

STORING: Final = "storing log lines"
GATHER_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.1
"""How long lines are gathered after a write, however many come."""
PATIENCE_SECONDS: Final = 1.0
"""How long the end of a run waits until its last lines are stored."""
AGAIN_SECONDS: Final = 60.0
"""How long after the database has refused it is asked again."""
MOST_ENDED: Final = 200
"""Of so many runs that have ended the lines may wait for a database that is away."""


class LogWriter:
    """The logs of the runs of one worker; *connect* gives the store, and is called with the first of them."""

    def __init__(self, connect: Callable[[], LogStore], reporter: Reporter, outage: Outage) -> None:
        self._connect = connect
        self._reporter = reporter
        self._outage = outage
        self._guard = threading.Lock()
        self._logs: dict[InFlightJob, RunLog] = {}
        self._news = threading.Event()
        self._urgent = threading.Event()
        self._stopped = False
        self._not_before = 0.0
        """When to try again after a failure, in ``monotonic_seconds``; 0 if the last write succeeded."""
        self._is_late = False
        """Whether the end of a run has waited in vain."""
        self._lost = 0

    @cached_property
    def _store(self) -> LogStore:
        return self._connect()

    def open(self, held: InFlightJob, clean: Callable[[str], str]) -> Lines:
        """Return what takes the lines of the run of *held*; *clean* takes the job's secrets out of a text."""
        with self._guard:
            log = self._logs[held] = RunLog(held, clean, self._news.set)
        return log.lines

    def close(self, held: InFlightJob) -> None:
        """Store the last lines of a run that has ended; wait for that unless the database is slow or away."""
        with self._guard:
            log = self._logs.get(held)
        if log is None:
            return
        log.is_over = True
        self._urgent.set()
        self._news.set()
        if not (self._not_before or self._is_late or log.is_written.wait(PATIENCE_SECONDS)):
            self._is_late = True

    def stop(self) -> None:
        """Let the thread end once it has stored what is left."""
        self._stopped = True
        self._urgent.set()
        self._news.set()

    def run(self) -> None:
        """Store lines until ``stop``: the body of a thread."""
        while not self._stopped:
            self._news.wait(self._seconds_to_next())
            self._news.clear()
            self._urgent.clear()
            if self._turn():
                self._urgent.wait(PAUSE_SECONDS)
        self._not_before = 0.0
        self._turn()
        self._tell_lost()

    def _turn(self) -> bool:
        """Store what is due; False if nothing is."""
        self._forget_too_many()
        now = monotonic_seconds()
        if now < self._not_before:
            return False
        with self._guard:
            due = [log for log in self._logs.values() if self._stopped or _is_due(log, now)]
        if due:
            self._try_to_store(due)
            self._forget([log for log in due if log.is_over and log.is_idle])
        return bool(due)

    def _try_to_store(self, due: list[RunLog]) -> None:
        try:
            self._write(due)
        except DatabaseError as error:
            delay = self._outage.note_failure(STORING, error)
            self._not_before = monotonic_seconds() + (delay if is_passing(error) else AGAIN_SECONDS)
            if self._stopped or not is_passing(error):
                self._give_up([log for log in due if log.is_over or self._stopped])
        except Exception:  # noqa: BLE001 - without this thread nothing would be stored any more
            self._reporter.report_exception(STORING)
            self._give_up(due)
        else:
            self._not_before, self._is_late = 0.0, False
            self._outage.note_recovered(STORING)
            self._tell_lost()

    def _write(self, due: list[RunLog]) -> None:
        shift = clock_error(self._store.clock)
        chunks = [chunk for log in due for chunk in log.gather(shift)]
        outdated = [log.outdated for log in due if log.outdated[1]]
        if chunks or outdated:
            self._store.write(chunks, outdated)
        for log in due:
            log.note_stored()

    def _forget(self, logs: list[RunLog]) -> None:
        with self._guard:
            for log in logs:
                self._logs.pop(log.held, None)
        for log in logs:
            log.is_written.set()

    def _forget_too_many(self) -> None:
        with self._guard:
            ended = [log for log in self._logs.values() if log.is_over]
        self._give_up(ended[:-MOST_ENDED])

    def _give_up(self, logs: list[RunLog]) -> None:
        self._lost += sum(log.give_up() for log in logs)
        self._forget([log for log in logs if log.is_over])

    def _tell_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            self._reporter.tell(
                Warned, f"{counted(lost, 'line')} that jobs had logged could not be stored, and are lost"
            )

    def _seconds_to_next(self) -> float | None:
        """Return how long to wait unless there are news; None if nothing waits."""
        now = monotonic_seconds()
        with self._guard:
            begun = [log.lines.since for log in self._logs.values() if log.lines.since is not None]
            is_any = bool(begun) or (bool(self._not_before) and bool(self._logs))
        if not is_any:
            return None
        due = min(begun, default=now) + GATHER_SECONDS
        return max(due - now, self._not_before - now, 0.0)


def _is_due(log: RunLog, now: float) -> bool:
    if log.is_over or len(log.lines) >= FULL:
        return True
    since = log.lines.since
    return not log.is_idle if since is None else now >= since + GATHER_SECONDS


def clock_error(clock: Clock) -> float:
    """Return how many seconds the clock of this machine is slow, by *clock*."""
    return (clock.now() - SystemClock().now()).total_seconds()
