"""Counting how one worker's jobs end, and storing that once a minute."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobStarted, RunEnded
from mongojobs.core.stats import STEPS, Period, StatsByJob, ending_of, periods_of
from mongojobs.store.faults import DatabaseError, is_passing
from mongojobs.store.stats.merging import MergingStats
from mongojobs.worker.outage import Outage

STORING: Final = "storing statistics"
MERGING: Final = "merging statistics"
MOST_UNSENT: Final = 30
"""How many past totals are kept while the database does not accept them; the oldest are dropped, minutes first."""
FEW_NOTICES: Final = 100
"""So few wait to be counted with more: until then they keep their jobs in memory."""
AGAIN_SECONDS: Final = 60.0
CALM_SECONDS: Final = 120.0
"""How long after an outage nothing is merged: others may still have to store what they counted meanwhile."""


class StatsRecorder:
    """Counts one worker's jobs by its notices, from ``begin`` to ``end``.

    What has arrived since the last look is counted separately, and then added to the minute, the hour and the day it
    belongs to. Their totals are written until the database has taken them.
    """

    def __init__(self, reporter: Reporter, outage: Outage) -> None:
        self._reporter = reporter
        self._outage = outage
        self._process = secrets.token_hex(6)
        self._heard: deque[JobStarted | RunEnded] = deque()
        self._counting = threading.Lock()
        self._storing = threading.Lock()
        self._fresh = StatsByJob()
        self._since = datetime.min.replace(tzinfo=UTC)
        """When it began to be counted: it belongs to the minute, the hour and the day of this moment."""
        self._minute = self._since
        """The minute of what was counted before."""
        self._totals: dict[Period, StatsByJob] = {}
        """Those of the last minute, hour and day that were stored."""
        self._unsent: dict[Period, StatsByJob] = {}
        """Those that the database has not taken as they are now; of times that are over, too."""
        self._hear: Callable[[Any], None] = self._heard.append
        self._stopped = threading.Event()
        self._stats: MergingStats | None = None
        self._has_stored = False
        """Whether there was anything to store the last time."""

    def begin(self, stats: MergingStats, now: datetime) -> None:
        """Start counting, to be stored in *stats*."""
        self._stats = stats
        self._since = now
        self._stopped.clear()
        self._reporter.lifecycle.on_notice(self._hear, JobStarted, RunEnded)

    def end(self) -> None:
        """Stop counting, and let ``run`` end; what is not stored yet waits for ``store``."""
        self._reporter.lifecycle.forget(self._hear)
        self._stopped.set()

    def count(self, *, few: int = 0) -> None:
        """Count what has been heard since the last time, unless so *few* notices are that it can wait."""
        if len(self._heard) <= few:
            return
        heard, worker = self._heard, self._reporter.name
        with self._counting:
            for _ in range(len(heard)):
                notice = heard.popleft()
                if notice.worker != worker:
                    continue
                figures = self._fresh.of(notice.job.name, notice.job.queue)
                if isinstance(notice, JobStarted):
                    figures.wait.add(notice.waited)
                else:
                    figures.end(*ending_of(notice))

    def count_merged(self, job: Job, number: int) -> None:
        """Count the calls that were merged into *job*, which ends."""
        with self._counting:
            self._fresh.of(job.name, job.queue).merged += number

    def run(self) -> None:
        """Store what was counted at the end of each minute, until ``end``: the body of a thread."""
        again: float | None = None
        while not self._stopped.wait(_left_of_minute(self._since) if again is None else again):
            again = self.try_to_store()
            if self._has_stored and not self._stopped.is_set():
                self.try_to_merge()

    def store(self) -> None:
        """Store everything that the database has not accepted yet. Raises DatabaseError."""
        if self._stats is None:
            return
        with self._storing:
            self._gather(self._stats)
            self._has_stored = bool(self._unsent)
            if self._unsent:
                self._stats.write(self._unsent, worker=self._reporter.name)
                self._unsent.clear()

    def try_to_store(self) -> float | None:
        """Store what the database accepts; return how many seconds to wait before trying again, None if it took all."""
        try:
            self.store()
            if STORING in self._outage.failing:
                self._outage.note_recovered(STORING)
            return None
        except DatabaseError as error:
            delay = self._outage.note_failure(STORING, error)
            return delay if is_passing(error) else AGAIN_SECONDS
        except Exception:  # noqa: BLE001 - without this thread nothing would be stored any more
            self._reporter.report_exception(STORING)
            return AGAIN_SECONDS

    def try_to_merge(self) -> None:
        """Let the totals of all processes become one for each time that is over, if it is calm and this one's turn."""
        seen = self._outage.last_seen
        if self._stats is None or (seen is not None and time.monotonic() - seen < CALM_SECONDS):
            return
        try:
            self._stats.merge(self._process)
            self._outage.note_recovered(MERGING)
        except DatabaseError as error:
            self._outage.note_failure(MERGING, error)
        except Exception:  # noqa: BLE001 - without this thread nothing would be stored any more
            self._reporter.report_exception(MERGING)

    def _gather(self, stats: MergingStats) -> None:
        """Add new figures to the totals of their period, and forget past totals that are stored or too many."""
        self.count()
        since = self._since
        minute = since.replace(second=0, microsecond=0)
        if minute < self._minute:  # the clock has gone back, as another primary's may: not to write less than before
            self._process = secrets.token_hex(6)
        self._minute = minute
        periods = periods_of(since, self._process)
        with self._counting:
            fresh, self._fresh = self._fresh, StatsByJob()
        for period in periods if fresh.pairs else ():
            total = self._unsent[period] = self._totals.setdefault(period, StatsByJob())
            total.include(fresh)
        for period in self._totals.keys() - periods:
            del self._totals[period]
        for period in sorted(self._unsent.keys() - periods, key=_worth)[:-MOST_UNSENT]:
            del self._unsent[period]
        self._since = stats.clock.now()


def _left_of_minute(moment: datetime) -> float:
    """Return how many seconds are left of the minute that contains *moment*."""
    return 60 - moment.timestamp() % 60


def _worth(period: Period) -> tuple[timedelta, datetime]:
    step, at, _ = period
    return STEPS[step], at
