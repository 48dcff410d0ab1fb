"""Listening for the ends of jobs: a change stream where the server has one, opened anew after a while if it breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from mongojobs.core.job import JobId
from mongojobs.store.faults import DatabaseError, is_refused

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
"""How long to do without a stream that could not be opened, or has broken; doubled each time."""


class Stream(Protocol):
    """The ids of jobs as they end."""

    def next(self) -> JobId | None:
        """Return the next one; None after a short silence. Raises DatabaseError."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Ears:
    """A stream that *open_stream* opens, if it does; for one thread. It is no more than a help to those who look."""

    def __init__(self, open_stream: Callable[[], Stream | None]) -> None:
        self._open_stream = open_stream
        self._stream: Stream | None = None
        self._open_at = 0.0
        self._pause = FIRST_PAUSE_SECONDS

    @property
    def hears(self) -> bool:
        """Whether ends are heard of as they come."""
        return self._stream is not None

    def open(self) -> None:
        """Begin to listen, unless that was tried in vain just now."""
        if self._stream is None and time.monotonic() >= self._open_at:
            try:
                self._stream = self._open_stream()
            except DatabaseError as error:
                self._lose(error)
            else:
                self._open_at = float("inf") if self._stream is None else 0.0

    def next(self) -> JobId | None:
        """Return the id of a job that has ended; None after a short silence, or if there is nothing to listen to."""
        if self._stream is None:
            return None
        try:
            job_id = self._stream.next()
        except DatabaseError as error:
            self._lose(error)
            return None
        self._pause = FIRST_PAUSE_SECONDS
        return job_id

    def close(self) -> None:
        """Stop listening."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _lose(self, error: DatabaseError) -> None:
        """Do without for a while; for good if the server does not allow it."""
        self.close()
        self._open_at = float("inf") if is_refused(error) else time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
