"""Answers that take long to work out, kept for some seconds; who asks meanwhile waits for the one under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memory:
    """Answers by their keys, of which there are few."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def recall(self, key: Hashable, seconds: float, make: Callable[[], T]) -> T:
        """Return the answer for *key* that is younger than *seconds*, else what *make* returns."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            kept = self._kept.get(key)
            if kept is None or time.monotonic() - kept[0] > seconds:
                kept = self._kept[key] = time.monotonic(), make()
            answer: T = kept[1]
            return answer
