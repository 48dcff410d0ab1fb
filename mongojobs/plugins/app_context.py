"""The context of a Flask app, around each job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mongojobs.core.lifecycle import Lifecycle, Plugin

T = TypeVar("T")


class AppContext(Plugin):
    """Runs each job of a Flask *app*, wherever it runs, inside of an app context of its own; not of a request."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def register(self, lifecycle: Lifecycle) -> None:
        """Surround each job with its hooks, and the last hooks of those that are given up on or cancelled."""
        for event in ("invoke_job", "failure", "cancelled"):
            lifecycle.around(event, self._surround)

    def _surround(self, proceed: Callable[[], T], *_event: object) -> T:
        with self._app.app_context():
            return proceed()
