"""Counting how one worker's jobs end, and storing that once a minute."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import JobStarted, RunEnded
from mongojobs.core.stats import STEPS, Period, StatsByJob, begin_of, ending_of, periods_of
from mongojobs.store.faults import DatabaseError, is_passing
from mongojobs.store.stats.merging import MergingStats
from mongojobs.worker.outage import Outage

STORING: Final = "storing statistics"
MERGING: Final = "merging statistics"
MOST_UNSENT: Final = 30
"""How many past totals are kept while the database does not accept them; the oldest are dropped, minutes first."""
AGAIN_SECONDS: Final = 60.0
CALM_SECONDS: Final = 120.0
"""How long after an outage nothing is merged: others may still have to store what they counted meanwhile."""

_MINUTE: Final = STEPS["minute"]


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
        self._periods: set[Period] = set()
        """The minute, the hour and the day to which what is fresh belongs."""
        self._totals: dict[Period, StatsByJob] = {}
        """Theirs."""
        self._unsent: dict[Period, StatsByJob] = {}
        """Those that the database has not taken as they are now; of times that are over, too."""
        self._hear: Callable[[Any], None] = self._heard.append
        self._stopped = threading.Event()
        self._stats: MergingStats | None = None
        self._has_stored = False
        """Whether there was anything to store the last time."""
        self._minute = datetime.min.replace(tzinfo=UTC)
        """The beginning of the present one."""
        self._left = AGAIN_SECONDS
        """How many seconds of it there were when that was last asked."""

    def begin(self, stats: MergingStats, now: datetime) -> None:
        """Start counting, to be stored in *stats*."""
        self._stats = stats
        self._turn_to(now)
        self._stopped.clear()
        self._reporter.lifecycle.on_notice(self._hear, JobStarted, RunEnded)

    def end(self) -> None:
        """Stop counting, and let ``run`` end; what is not stored yet waits for ``store``."""
        self._reporter.lifecycle.forget(self._hear)
        self._stopped.set()

    def count(self) -> None:
        """Count what has been heard since the last time, many notices at once."""
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

    def run(self) -> None:
        """Store what was counted at the end of each minute, until ``end``: the body of a thread."""
        seconds = self._left
        while not self._stopped.wait(seconds):
            seconds = self.try_to_store()
            if self._has_stored and not self._stopped.is_set():
                self.try_to_merge()

    def store(self) -> None:
        """Store everything that the database has not accepted yet. Raises DatabaseError."""
        if self._stats is None:
            return
        with self._storing:
            self._gather(self._stats.clock.now())
            self._has_stored = bool(self._unsent)
            if self._unsent:
                self._stats.write(self._unsent, worker=self._reporter.name)
                self._unsent.clear()

    def try_to_store(self) -> float:
        """Store what the database accepts, and return how many seconds to wait until the next time."""
        try:
            self.store()
            self._outage.note_recovered(STORING)
            return self._left
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

    def _gather(self, now: datetime) -> None:
        """Add new figures to the totals of their period, and forget past totals that are stored or too many."""
        self.count()
        periods = self._periods
        self._turn_to(now)
        with self._counting:
            fresh, self._fresh = self._fresh, StatsByJob()
        for period in periods if fresh.pairs else ():
            total = self._unsent[period] = self._totals.setdefault(period, StatsByJob())
            total.include(fresh)
        for period in self._totals.keys() - self._periods:
            del self._totals[period]
        for period in sorted(self._unsent.keys() - self._periods, key=_worth)[:-MOST_UNSENT]:
            del self._unsent[period]

    def _turn_to(self, now: datetime) -> None:
        """Count from *now* on; under another name if the clock has gone back, as another primary's may.

        So totals that are forgotten are not written again with less.
        """
        if now < self._minute:
            self._process = secrets.token_hex(6)
        self._minute = begin_of("minute", now)
        self._left = (self._minute + _MINUTE - now).total_seconds()
        self._periods = periods_of(now, self._process)


def _worth(period: Period) -> tuple[timedelta, datetime]:
    step, at, _ = period
    return STEPS[step], at
