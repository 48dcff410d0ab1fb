"""How long the database may take: for a block of code, and for a call that makes several requests."""

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


class time_limit:  # noqa: N801 - reads as a noun: `with time_limit(5):`
    """Limit all database calls in the block, including their retries, to *seconds* in total.

    Of several limits around one another the one that ends first counts.
    """

    __slots__ = ("_driver", "_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        now = time.monotonic()
        ends = min(now + self._seconds, _ends.get())
        self._token = _ends.set(ends)
        self._driver = pymongo.timeout(max(ends - now, _SHORTEST_SECONDS))
        self._driver.__enter__()

    def __exit__(self, *_raised: object) -> None:
        try:
            self._driver.__exit__(None, None, None)
        finally:
            _ends.reset(self._token)


def time_left() -> float:
    """Return the seconds left here: at least 0, and infinity if there is no limit."""
    return max(_ends.get() - time.monotonic(), 0.0)


class Budget:
    """The time that a call may spend on the database; what it does between its questions costs nothing.

    ``with budget:`` is for what limits its questions by itself, to the ``time_left``; ``with budget.spent():`` limits
    them, which costs more.
    """

    __slots__ = ("_began", "_seconds", "_token")

    def __init__(self, whole: timedelta) -> None:
        self._seconds = whole.total_seconds()

    def __enter__(self) -> None:
        self._began = time.monotonic()
        self._token = _ends.set(min(self._began + self._seconds, _ends.get()))

    def __exit__(self, *_raised: object) -> None:
        _ends.reset(self._token)
        self._seconds = max(self._seconds - (time.monotonic() - self._began), 0.0)

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Limit the questions inside to what is left, and take what they took."""
        with self, time_limit(self._seconds):
            yield
