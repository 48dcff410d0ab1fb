"""How busy this process is: how many threads can get work done side by side."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mongojobs.process.interpreter import suit_turns

Seconds = Callable[[], float]
"""A clock that counts seconds."""

STRETCH_SECONDS: Final = 0.01
"""How long CPU use is measured; two threads that take turns switch every half of it."""

HIGH_LOAD: Final = 0.7
"""The share of one core above which another thread may only slow down the running ones."""

FALL: Final = 0.85
"""To what share of itself the load falls, where half of the threads get less done than all of them."""

TRIAL_STRETCHES: Final = 25
"""After so many stretches, half of the threads are tried again: the jobs may be others by then."""

MOST_THREADS: Final = 1024
"""How many threads are assumed to be useful at first."""


class CpuLoad:
    """The share of one core that this process used in the last stretch; to be used under a lock.

    Where it was low, twice as many threads as before are of use, since those that run wait for something outside.
    Where it was high, half of those that run are tried: threads that compute all want the interpreter, and half of them
    keep it as busy. If it becomes less busy, the others were of use, and come back.
    """

    def __init__(self, *, wall: Seconds = time.monotonic, used: Seconds = time.process_time) -> None:
        self._wall = wall
        self._used = used
        self._useful = MOST_THREADS
        self._before_trial = MOST_THREADS, 0.0
        """How many threads were of use, and their load, if half of them are being tried; else a load of 0."""
        self._stretches_to_trial = 0
        self.begin()

    def begin(self) -> None:
        """Begin a stretch after a time without work; the last result stands until this stretch ends."""
        self._began, self._used_before = self._wall(), self._used()

    def has_use_for(self, threads: int) -> bool:
        """Whether the interpreter, which only one thread can hold, is free often enough for this many *threads*."""
        seconds = self._wall() - self._began
        if seconds >= STRETCH_SECONDS:
            self._learn((self._used() - self._used_before) / seconds, threads - 1)
            suit_turns(threads - 1)
            self.begin()
        return threads <= self._useful

    def _learn(self, load: float, running: int) -> None:
        """Work out how many threads are of use from the *load* by those *running*."""
        (useful, busier), self._before_trial = self._before_trial, (self._useful, 0.0)
        self._stretches_to_trial -= 1
        if load < busier * FALL:
            self._useful, self._stretches_to_trial = useful, TRIAL_STRETCHES
        elif load < HIGH_LOAD:
            self._useful = min(self._useful * 2, MOST_THREADS)
        elif self._stretches_to_trial <= 0:
            self._before_trial = self._useful, load if running > 1 else 0.0
            self._useful = max(running // 2, 1)
