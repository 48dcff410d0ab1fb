"""Passing on to the worker what a job in a child logs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from mongojobs.core.inside.log import Lines, finished, longest_line, most_kept
from mongojobs.core.job import Document
from mongojobs.worker.children import messages
from mongojobs.worker.run.inflight_job import InFlightJob

PAUSE_SECONDS: Final = 0.1
"""How long lines are gathered; so many are lost at most when the process dies."""


class LineSender:
    """Sends the lines of the job that runs here, by a thread of its own, which begins with the first that keeps any."""

    def __init__(self, send: Callable[[Document], object]) -> None:
        self._send = send
        self._take: Callable[[], Document | None] | None = None
        self._sending = threading.Lock()
        self._is_news = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, held: InFlightJob, clean: Callable[[str], str]) -> Lines:
        """Return what takes the lines of the run; *clean* takes the job's secrets out of a text."""
        most = most_kept(held.job)
        lines, told = Lines(2 * most, self._is_news.set), 0

        def take() -> Document | None:
            nonlocal told
            entries, dropped = lines.take(), lines.dropped
            if not entries:
                return None
            new, told = dropped - told, dropped
            return messages.lines(finished(entries, clean, longest=longest_line(most)), new)

        self._take = take
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mongojobs-lines", daemon=True)
            self._thread.start()
        return lines

    def close(self, held: InFlightJob) -> None:  # noqa: ARG002 - there is but one
        """Send the last lines of the run, which has ended; its outcome follows."""
        self._pass_on()
        self._take = None

    def _pass_on(self) -> None:
        with self._sending, suppress(OSError):  # the worker is gone, as the reader of the channel finds out
            message = None if self._take is None else self._take()
            if message is not None:
                self._send(message)

    def _run(self) -> None:
        pause = threading.Event()
        while self._is_news.wait():
            self._is_news.clear()
            self._pass_on()
            pause.wait(PAUSE_SECONDS)
