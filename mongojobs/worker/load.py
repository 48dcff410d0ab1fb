"""How busy this process is: whether another thread could get anything done beside those that run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

STRETCH_SECONDS: Final = 0.01
"""How long the use of the processor is measured; two threads that take turns change places every half of it."""

HIGH_LOAD: Final = 0.7
"""From which share of one core on another thread would only take from those that run."""


class Load:
    """The share of one core that this process used in the last stretch; for use under a lock."""

    def __init__(
        self, *, wall: Callable[[], float] = time.monotonic, used: Callable[[], float] = time.process_time
    ) -> None:
        self._wall = wall
        self._used = used
        self._is_high = False
        self.begin()

    def begin(self) -> None:
        """Begin a stretch, after a time without work; what the one before showed stands until this one ends."""
        self._began, self._used_before = self._wall(), self._used()

    def is_high(self) -> bool:
        """Whether the interpreter, which one thread at a time can have, is as good as never free."""
        seconds = self._wall() - self._began
        if seconds >= STRETCH_SECONDS:
            self._is_high = (self._used() - self._used_before) / seconds >= HIGH_LOAD
            self.begin()
        return self._is_high
