"""What one run has told of itself, until it is stored: with the renewal of its lock, and with its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from mongojobs.core.clock import Clock, truncate
from mongojobs.core.errors import ProgressError
from mongojobs.core.inside.progress import LONGEST_NOTE, Progress, checked
from mongojobs.core.limits import cut


@dataclass(frozen=True, slots=True)
class Means:
    """What a record needs of the place where the job runs.

    *clean* takes the secrets of the job out of a text; *on_move* is called after each move.
    """

    clock: Clock
    clean: Callable[[str], str] = str
    on_move: Callable[[Told], object] = lambda _told: None


class Told:
    """What a run has told elsewhere, in a child, as it came here last.

    ``is_moved`` says that something is not stored yet. Whoever stores it takes that back *before* reading the fields:
    what moves in between is stored the next time.
    """

    def __init__(self) -> None:
        self.is_moved = False
        self._fields: dict[str, Any] = {}

    def fields(self) -> dict[str, Any]:
        """Return what is to be stored, as fields of the job."""
        return self._fields

    def take(self, fields: dict[str, Any]) -> None:
        """Note what was told."""
        self._fields = {**self._fields, **fields}
        self.is_moved = True


class Record(Told):
    """What a run has told here: the thread of the job writes it, those that store it read it."""

    def __init__(self, means: Means, progress: Progress | None) -> None:
        super().__init__()
        self.progress = progress
        self._means = means
        self._began: tuple[float, float] | None = None
        self._moved_at = 0.0

    def fields(self) -> dict[str, Any]:
        """Return what is to be stored, as fields of the job."""
        if self.progress is None or self._began is None:
            return {}
        at = self._means.clock.now() - timedelta(milliseconds=int((time.monotonic() - self._moved_at) * 1000))
        return {"progress": replace(self.progress, at=truncate(at))}

    def set_progress(self, done: object, of: object, note: object) -> Progress:
        """Note how far the job is. Raises ProgressError."""
        if not isinstance(note, str):
            raise ProgressError(f"note must be a text, got {note!r:.100}")
        count, whole = checked("done", done), None if of is None else checked("of", of)
        text = cut(self._means.clean(note), LONGEST_NOTE) if note else ""
        self.progress = Progress(done=count, of=whole, note=text, rate=self._rate(count))
        self._move()
        return self.progress

    def _move(self) -> None:
        self.is_moved = True
        self._means.on_move(self)

    def _rate(self, done: float) -> float | None:
        """Return how much was done a second since this run first said how far it is."""
        now = self._moved_at = time.monotonic()
        if self._began is None or done < self._began[1]:
            self._began = now, done
        since, begun_with = self._began
        return (done - begun_with) / (now - since) if done > begun_with and now > since else None
