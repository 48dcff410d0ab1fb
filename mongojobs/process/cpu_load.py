"""How busy this process is: how many threads can get anything done side by side."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

Seconds = Callable[[], float]
"""A clock that tells how many seconds have passed."""

STRETCH_SECONDS: Final = 0.01
"""How long the use of the processor is measured; two threads that take turns change places every half of it."""

HIGH_LOAD: Final = 0.7
"""From which share of one core on another thread would only take from those that run."""

MOST_THREADS: Final = 1024
"""How many are assumed to be of use at first."""


class CpuLoad:
    """The share of one core that this process used in the last stretch; for use under a lock.

    Where it was low, twice as many threads as before are of use, since those that run wait for something outside;
    where it was high, half of those that run.
    """

    def __init__(self, *, wall: Seconds = time.monotonic, used: Seconds = time.process_time) -> None:
        self._wall = wall
        self._used = used
        self._useful = MOST_THREADS
        self.begin()

    def begin(self) -> None:
        """Begin a stretch, after a time without work; what the one before showed stands until this one ends."""
        self._began, self._used_before = self._wall(), self._used()

    def has_use_for(self, threads: int) -> bool:
        """Whether the interpreter, which one thread at a time can have, is free often enough for one more: so many."""
        seconds = self._wall() - self._began
        if seconds >= STRETCH_SECONDS:
            is_high = (self._used() - self._used_before) / seconds >= HIGH_LOAD
            self._useful = max((threads - 1) // 2, 1) if is_high else min(self._useful * 2, MOST_THREADS)
            self.begin()
        return threads <= self._useful
