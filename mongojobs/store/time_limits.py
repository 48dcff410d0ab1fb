"""How long the database may take: for a block of code, and for a call that makes several requests."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
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
    """The time that a call may spend on the database; its own work in between is not counted."""

    __slots__ = ("seconds",)

    def __init__(self, whole: timedelta) -> None:
        self.seconds = whole.total_seconds()

    def spent(self) -> AbstractContextManager[None]:
        """Limit the requests in the block to what is left, and subtract the time they took."""
        return _Spent(self)

    def lent(self) -> AbstractContextManager[None]:
        """Do as ``spent`` for what limits its questions by itself to the ``time_left``: that costs far less."""
        return _Lent(self)


class _Lent:
    """The time inside of ``Budget.lent``."""

    __slots__ = ("_began", "_budget", "_token")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def __enter__(self) -> None:
        self._began = time.monotonic()
        self._token = _ends.set(min(self._began + self._budget.seconds, _ends.get()))

    def __exit__(self, *_raised: object) -> None:
        _ends.reset(self._token)
        self._budget.seconds = max(self._budget.seconds - (time.monotonic() - self._began), 0.0)


class _Spent(_Lent):
    """The time inside of ``Budget.spent``."""

    __slots__ = ("_limit",)

    def __enter__(self) -> None:
        super().__enter__()
        self._limit = time_limit(self._budget.seconds)
        self._limit.__enter__()

    def __exit__(self, *_raised: object) -> None:
        try:
            self._limit.__exit__(None, None, None)
        finally:
            super().__exit__(None, None, None)
