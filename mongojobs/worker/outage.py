"""Living through outages of the database: wait longer after each failure, and tell of each outage once."""

from __future__ import annotations

import random
import time

from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.notices import DatabaseAway, DatabaseBack

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 10.0


class Outage:
    """The outages as one thread of a worker sees them."""

    def __init__(self, lifecycle: Lifecycle, worker: str) -> None:
        self._lifecycle = lifecycle
        self._worker = worker
        self._since: float | None = None
        self._failures = 0
        self.last_seen: float | None = None
        """When the database could last not be reached, in ``time.monotonic`` seconds."""

    def failed(self, doing: str, error: str) -> float:
        """Note a failure while *doing* something and return how many seconds to wait before the next try."""
        self.last_seen = time.monotonic()
        if self._since is None:
            self._since = self.last_seen
            self._lifecycle.notify(DatabaseAway(self._worker, doing, error))
        delay = min(FIRST_DELAY_SECONDS * 2.0**self._failures, LONGEST_DELAY_SECONDS)
        self._failures = min(self._failures + 1, 30)
        return delay * random.uniform(0.5, 1.0)

    def over(self) -> None:
        """Note that the database answered."""
        if self._since is None:
            return
        self._lifecycle.notify(DatabaseBack(self._worker, time.monotonic() - self._since))
        self._since = None
        self._failures = 0
