"""The pulse of a worker: when its loop last turned.

It says that the worker lives, and nothing of the database: while that is away the loop turns too, and tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

LONGEST_STILLNESS_SECONDS: Final = 15.0
"""How long an idle worker's loop waits at most before it turns once more."""


class Liveness:
    """Told by the loop each time it turns; asked by whoever must know whether it still does.

    One thread beats, and any may ask.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._last = monotonic()
        self._listeners: list[Callable[[], None]] = []

    def on_beat(self, listener: Callable[[], None]) -> None:
        """Call *listener* at each beat, in the loop's own thread: it must be quick, and not raise."""
        self._listeners.append(listener)

    def beat(self) -> None:
        """Note that the loop has turned."""
        self._last = self._monotonic()
        for listener in self._listeners:
            listener()

    def age_seconds(self) -> float:
        """Return how long ago the loop last turned."""
        return self._monotonic() - self._last
