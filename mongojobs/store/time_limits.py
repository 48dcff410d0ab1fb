"""How long the database may take: for a block of code, and for a call that asks it several times."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Final

import pymongo

_SHORTEST_SECONDS: Final = 0.01
_ends: ContextVar[float] = ContextVar("mongojobs_time_limit", default=float("inf"))


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let all calls to the database inside, with their retries, take no longer than *seconds* together.

    Of several limits around one another the one that ends first counts.
    """
    ends = min(time.monotonic() + seconds, _ends.get())
    token = _ends.set(ends)
    try:
        with pymongo.timeout(max(ends - time.monotonic(), _SHORTEST_SECONDS)):
            yield
    finally:
        _ends.reset(token)


def time_left() -> float:
    """Return the seconds that are left here: 0 at the least, and infinity where there is no limit."""
    return max(_ends.get() - time.monotonic(), 0.0)


class Budget:
    """The time that a call may spend on the database; what it does between its questions costs nothing."""

    def __init__(self, whole: timedelta) -> None:
        self._seconds = whole.total_seconds()

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Limit the questions inside to what is left, and take what they took."""
        began = time.monotonic()
        try:
            with time_limit(self._seconds):
                yield
        finally:
            self._seconds = max(self._seconds - (time.monotonic() - began), 0.0)
