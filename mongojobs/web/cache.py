"""Answers that take long to compute, kept for a few seconds; later callers wait for the one under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

T = TypeVar("T")

MOST_KEPT: Final = 32


class _Answer:
    """An answer and when it was made, if it has been; whoever makes it holds the lock."""

    def __init__(self) -> None:
        self.making = threading.Lock()
        self.made: tuple[float, Any] | None = None


class Memory:
    """Answers by key: the ``MOST_KEPT`` most recently asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, _Answer] = {}

    def recall(self, key: Hashable, seconds: float, make: Callable[[], T]) -> T:
        """Return the answer for *key* if it is younger than *seconds*, else what *make* returns."""
        with self._lock:
            answer = self._answers[key] = self._answers.pop(key, _Answer())
            if len(self._answers) > MOST_KEPT:
                del self._answers[next(iter(self._answers))]
        with answer.making:
            if answer.made is None or time.monotonic() - answer.made[0] > seconds:
                answer.made = time.monotonic(), make()
            value: T = answer.made[1]
            return value
