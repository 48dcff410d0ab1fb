"""How busy this process is: how many threads can get work done side by side."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

Seconds = Callable[[], float]
"""A clock that counts seconds."""

STRETCH_SECONDS: Final = 0.01
"""How long CPU use is measured; two threads that take turns switch every half of it."""

HIGH_LOAD: Final = 0.7
"""The share of one core above which another thread would only slow down the running ones."""

MOST_THREADS: Final = 1024
"""How many threads are assumed to be useful at first."""


class CpuLoad:
    """The share of one core that this process used in the last stretch; to be used under a lock.

    Where it was low, twice as many threads as before are of use, since those that run wait for something outside;
    where it was high, half of those that run.
    """

    def __init__(self, *, wall: Seconds = time.monotonic, used: Seconds = time.process_time) -> None:
        self._wall = wall
        self._used = used
        self._useful = MOST_THREADS
        self.begin()

    def begin(self) -> None:
        """Begin a stretch after a time without work; the last result stands until this stretch ends."""
        self._began, self._used_before = self._wall(), self._used()

    def has_use_for(self, threads: int) -> bool:
        """Whether the interpreter, which only one thread can hold, is free often enough for this many *threads*."""
        seconds = self._wall() - self._began
        if seconds >= STRETCH_SECONDS:
            is_high = (self._used() - self._used_before) / seconds >= HIGH_LOAD
            self._useful = max((threads - 1) // 2, 1) if is_high else min(self._useful * 2, MOST_THREADS)
            self.begin()
        return threads <= self._useful
