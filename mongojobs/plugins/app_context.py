"""A context around each job, such as that of a Flask app."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from mongojobs.core.lifecycle import Lifecycle, Plugin

T = TypeVar("T")


class AppContext(Plugin):
    """Runs each job, wherever it runs, inside of a context of its own, made by *make*."""

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make = make

    def register(self, lifecycle: Lifecycle) -> None:
        """Surround each job with its hooks, and the last hooks of those that are given up on or cancelled."""
        for event in ("invoke_job", "failure", "cancelled"):
            lifecycle.around(event, self._surround)

    def _surround(self, proceed: Callable[[], T], *_event: object) -> T:
        with self._make():
            return proceed()
