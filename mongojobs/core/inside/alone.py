"""The run of a job without a worker: in inline mode, and in tests."""

from __future__ import annotations

from collections.abc import Callable

from mongojobs.core.inside.progress import Progress
from mongojobs.core.inside.record import Means, Record


class Alone:
    """A run that nobody stops, and that is over when its caller goes on."""

    stopping = lost = False
    seconds: float | None = None

    def __init__(self, progress: Progress | None, means: Callable[[], Means]) -> None:
        self.record: Record | None = None
        self._progress = progress
        self._means = means

    def recording(self) -> Record:
        """Return the record, made now if it is not there."""
        self.record = self.record or Record(self._means(), self._progress)
        return self.record
