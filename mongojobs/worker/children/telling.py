"""Telling the worker what a job in a child tells of itself."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from mongojobs.core.inside.record import Told
from mongojobs.core.job import Document
from mongojobs.worker.children import messages

PAUSE_SECONDS: Final = 0.1
"""How long a job may go on before the worker hears of it again: a message for each move would cost more than most."""
LOOK_SECONDS: Final = 0.25


class Telling:
    """Sends what has moved by a thread of its own, which begins with the first job that tells anything."""

    def __init__(self, send: Callable[[Document], object]) -> None:
        self._send = send
        self._record: Told | None = None
        self._number = 0
        self._answers: dict[int, queue.SimpleQueue[bool]] = {}
        self._sending = threading.Lock()
        self._is_news = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, record: Told) -> None:
        """Note that *record* has moved."""
        self._record = record
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mongojobs-telling", daemon=True)
            self._thread.start()
        self._is_news.set()

    def save(self, record: Told) -> bool:
        """Wait until the worker has stored what *record* has told; False if the job is lost, or the worker gone."""
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        with self._sending:
            self._number += 1
            self._answers[self._number] = answer
            self._send(messages.told(record, self._number))
        while True:
            with suppress(queue.Empty):
                return answer.get(timeout=LOOK_SECONDS)  # in between, the job can be interrupted

    def answer(self, number: int, *, is_ours: bool) -> None:
        """Pass on the answer of the worker."""
        self._answers.pop(number).put(is_ours)

    def end(self) -> Document | None:
        """Send nothing more of this run, and return its last message, if any: it goes with the outcome."""
        with self._sending:
            record, self._record = self._record, None
        return None if record is None else messages.told(record)

    def _run(self) -> None:
        pause = threading.Event()
        while self._is_news.wait():
            self._is_news.clear()
            with self._sending, suppress(OSError):  # the worker is gone, as the reader of the channel finds out
                if self._record is not None:
                    self._send(messages.told(self._record))
            pause.wait(PAUSE_SECONDS)
