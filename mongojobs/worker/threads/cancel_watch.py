"""Hearing at once that a running job was cancelled: by a change stream, where the server has them.

The stream only hurries what the next renewal of the locks finds out in any case.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from mongojobs.core.clock import monotonic_seconds
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import Warned
from mongojobs.store.faults import describe, is_passing
from mongojobs.store.stream import CancelStream
from mongojobs.worker.inflight import InFlight
from mongojobs.worker.outage import seconds_to_next_try

LONG_SECONDS: Final = 0.5
"""How long a job must have been running before anybody listens for it: to short ones, a stream would cost too much."""
LOOK_SECONDS: Final = 0.25


class CancelWatch:
    """Listens while jobs of *in_flight* run for long, and calls *on_heard* when one of them was cancelled.

    So too whenever it begins to listen, since that may have been before.
    """

    def __init__(
        self,
        open_stream: Callable[[], CancelStream] | None,
        in_flight: InFlight,
        reporter: Reporter,
        *,
        on_heard: Callable[[], object],
    ) -> None:
        self._open_stream = open_stream
        self._in_flight = in_flight
        self._reporter = reporter
        self._on_heard = on_heard
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._guard = threading.Lock()
        self._stream: CancelStream | None = None
        self._failures = 0
        self._told = ""

    def look(self) -> None:
        """Look for jobs that run for long: some have begun."""
        if not self._wanted.is_set():
            self._wanted.set()

    def run(self) -> None:
        """Watch until ``close``: the body of its thread."""
        while not self._closed.is_set():
            self._wanted.wait()
            self._wanted.clear()
            while not (self._closed.wait(LOOK_SECONDS) or self._in_flight.is_empty()):
                if self._is_wanted():
                    self._listen_patiently()

    def close(self) -> None:
        """End the listening; waits for the server."""
        self._closed.set()
        self._wanted.set()
        with self._guard:
            stream = self._stream
        if stream is not None:
            stream.close()

    def _is_wanted(self) -> bool:
        """Whether a job has been running for long."""
        since = monotonic_seconds() - LONG_SECONDS
        return any(held.started is not None and held.started <= since for held in self._in_flight.running())

    def _listen_patiently(self) -> None:
        try:
            self._listen()
            self._failures, self._told = 0, ""
        except Exception as error:  # noqa: BLE001 - without this thread nothing would be heard at once any more
            self._tell_once(error)
            self._closed.wait(seconds_to_next_try(self._failures))
            self._failures += 1

    def _listen(self) -> None:
        stream = self._open()
        if stream is None:
            return
        try:
            self._on_heard()
            while self._is_wanted() and not self._closed.is_set():
                job_id = stream.next()
                if job_id is not None and any(held.job.id == job_id for held in self._in_flight.all()):
                    self._on_heard()
        finally:
            stream.close()

    def _open(self) -> CancelStream | None:
        if self._open_stream is None:
            return None
        stream = self._open_stream()
        with self._guard:
            self._stream = stream
        if self._closed.is_set():
            stream.close()
            return None
        return stream

    def _tell_once(self, error: Exception) -> None:
        """Report an error that will not pass by itself; an outage is reported by those whose work it stops."""
        if not is_passing(error) and describe(error) != self._told:
            self._told = describe(error)
            message = f"cannot listen for cancelled jobs, and looks when it renews the locks instead: {describe(error)}"
            self._reporter.tell(Warned, message)
