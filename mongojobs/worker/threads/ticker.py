"""The thread of a worker that enqueues the jobs of schedules when they are due."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from mongojobs.core.errors import EnqueueUnknownError, StoreUnavailableError
from mongojobs.core.lifecycle import Reporter
from mongojobs.store.faults import DatabaseError

if TYPE_CHECKING:
    from mongojobs.schedules.ticks import Ticks

TICKING: Final = "enqueueing the jobs of schedules"
POLL_SECONDS: Final = 5.0
"""How long a change of a schedule may go unnoticed, and a schedule may wait for a job that has ended."""
IDLE_SECONDS: Final = 3600.0
"""How long it waits where there are no schedules at all: who adds the first one wakes it."""
AGAIN_SECONDS: Final = 60.0


class Outages(Protocol):
    """What is told of failures of the database."""

    def note_failure(self, doing: str, error: Exception) -> float:
        """Note a failure, and return how many seconds to wait."""
        ...

    def note_recovered(self, doing: str) -> None:
        """Note that the database answered."""
        ...


class Ticker:
    """Stores the schedules that the code declares, and from then on enqueues what is due, until *stopping*.

    While *quiet*, it leaves that to other workers.
    """

    def __init__(
        self, ticks: Ticks, reporter: Reporter, outages: Outages, *, stopping: threading.Event, quiet: threading.Event
    ) -> None:
        self.ticks = ticks
        self._reporter = reporter
        self._outages = outages
        self._stopping = stopping
        self._quiet = quiet
        self._woken = threading.Event()
        self._has_declared = False

    def wake(self) -> None:
        """Look at once, as schedules have changed or the worker stops."""
        self._woken.set()

    def run(self) -> None:
        """Enqueue what is due until the worker stops: the body of a thread."""
        while not self._stopping.is_set():
            seconds = POLL_SECONDS if self._quiet.is_set() else self.look()
            self._woken.wait(seconds)
            self._woken.clear()

    def look(self) -> float:
        """Enqueue what is due; return how long to wait until the next look."""
        try:
            if not self._has_declared:
                self.ticks.declare()
                self._has_declared = True
            next_at = self.ticks.tick(self._stopping.is_set)
            seconds = self._seconds_to(next_at)
            self._outages.note_recovered(TICKING)
        except (DatabaseError, StoreUnavailableError, EnqueueUnknownError) as error:
            return self._outages.note_failure(TICKING, error)
        except Exception:  # noqa: BLE001 - a plugin may raise anything, and the schedules are to go on
            self._reporter.report_exception(TICKING)
            return AGAIN_SECONDS
        return seconds

    def _seconds_to(self, next_at: datetime | None) -> float:
        if next_at is not None:
            return min(max((next_at - self.ticks.store.clock.now()).total_seconds(), 0.0), POLL_SECONDS)
        return IDLE_SECONDS if self.ticks.store.is_empty() else POLL_SECONDS
