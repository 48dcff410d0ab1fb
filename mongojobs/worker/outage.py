"""Surviving database outages: wait longer after each failure, and report each outage once."""

from __future__ import annotations

import random
import threading
import time
from typing import Final

from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import DatabaseAway, DatabaseBack
from mongojobs.store.faults import describe, is_passing, is_refused

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 10.0
RENEWING: Final = "renewing locks"
"""What the heartbeat does, whatever else there is to do."""


class Outage:
    """The outages as seen by one worker process.

    All of its threads share it. The first one that fails tells, and what the others fail at until all have gone on is
    the same outage. What will not pass by itself, such as a missing permission, is told for each thing that fails.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._guard = threading.Lock()
        self.failing: dict[str, tuple[int, float]] = {}
        """What fails now: how often it has, and since when, in ``time.monotonic`` seconds."""
        self._passing: set[str] = set()
        self.last_seen: float | None = None
        """When the database could last not be reached, in ``time.monotonic`` seconds.

        One that answers that a right is missing was reached, and so were the heartbeats of others.
        """

    def note_failure(self, doing: str, error: Exception) -> float:
        """Note a failure while *doing* something, and return how many seconds to wait before the next try."""
        now = time.monotonic()
        if not _is_refusal(error):
            self.last_seen = now
        with self._guard:
            failures, since = self.failing.get(doing, (0, now))
            self.failing[doing] = failures + 1, since
            is_news = not failures and not (is_passing(error) and self._passing)
            if is_passing(error):
                self._passing.add(doing)
        if is_news:
            self._reporter.tell(DatabaseAway, doing, describe(error), refused=_is_refusal(error))
        return seconds_to_next_try(failures)

    def seconds(self, doing: str) -> float:
        """Return for how long *doing* it has failed; 0 if it succeeded the last time."""
        _, since = self.failing.get(doing, (0, time.monotonic()))
        return time.monotonic() - since

    def note_standstill(self) -> None:
        """Note that the database, or this process, stalled without an error, so that nothing need be reported."""
        self.last_seen = time.monotonic()

    def note_recovered(self, doing: str) -> None:
        """Note that the database answered while *doing* it."""
        if doing not in self.failing:
            return
        with self._guard:
            _, since = self.failing.pop(doing)
            was_passing = doing in self._passing
            self._passing.discard(doing)
            is_news = not (was_passing and self._passing)
        if is_news:
            self._reporter.tell(DatabaseBack, time.monotonic() - since)

    def note_dropped(self, doing: str) -> None:
        """Note that nothing is left to do of what failed: the next heartbeat finds out whether the outage is over."""
        if doing not in self.failing:
            return
        with self._guard:
            self.failing.setdefault(RENEWING, self.failing.pop(doing))
            if doing in self._passing:
                self._passing.remove(doing)
                self._passing.add(RENEWING)


def _is_refusal(error: Exception) -> bool:
    return is_refused(error) or bool(getattr(error, "refused", False))


def seconds_to_next_try(failures: int) -> float:
    """Return how many seconds to wait after this many *failures*: 0.1 s doubling to 10 s, with jitter."""
    return min(FIRST_DELAY_SECONDS * 2.0 ** min(failures, 30), LONGEST_DELAY_SECONDS) * random.uniform(0.5, 1.0)
