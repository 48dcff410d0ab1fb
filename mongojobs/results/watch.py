"""Looks for the ends of jobs, for all who wait in this process: one thread, and one question for all of their jobs."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from mongojobs.core.job import JobId
from mongojobs.results.waiting import W, Waiting
from mongojobs.store.time_limits import time_limit

SHORTEST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0
SHARE_OF_PAUSE: Final = 0.1
"""Pauses between looks are this share of how long the one has waited who came last."""
LINGER_SECONDS: Final = 2.0
"""How long the thread stays when nobody waits any more: the next one usually comes soon."""
LOOK_SECONDS: Final = 10.0
"""How long the database may take for one look."""


class Store(Protocol):
    """What is needed of a store."""

    def unfinished(self, job_ids: Collection[JobId]) -> set[JobId]:
        """Return the ids of jobs that have yet to end."""
        ...


class Watch:
    """Wakes those who wait for the ends of jobs in the store that *store* returns.

    Its thread begins with the first one who waits, and ends when none is left. A forked process starts over.
    """

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self.renew()
        _watches.add(self)

    def renew(self) -> None:
        """Start over in a forked process, where the thread is missing, and the lock may be held for ever."""
        self._changing = threading.Lock()
        self._waiting: set[Waiting] = set()
        self._arrived = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_here = 0.0
        self.trouble: Exception | None = None

    @contextmanager
    def waiting(self, waiter: W) -> Iterator[W]:
        """Wake *waiter* in the block, from its first wait on, whenever its job has ended or is gone."""
        waiter.listen = self._listen
        with self._changing:
            self._waiting.add(waiter)
        try:
            yield waiter
        finally:
            with self._changing:
                self._waiting.discard(waiter)
                self._last_here = time.monotonic()

    def _listen(self) -> None:
        with self._changing:
            self._arrived.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mongojobs-results", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """Look, again and again: the body of the thread."""
        while self._goes_on():
            self._arrived.clear()
            waiting = self._all_waiting()
            try:
                if waiting:
                    self._look(waiting)
                self.trouble = None
            except Exception as error:  # noqa: BLE001 - without this thread all would wait in vain
                self.trouble = error
            self._arrived.wait(_pause(waiting))

    def _goes_on(self) -> bool:
        """Whether somebody waits, or did just now; if not, the thread is over by now."""
        with self._changing:
            if self._waiting or time.monotonic() - self._last_here < LINGER_SECONDS:
                return True
            self._thread = None
            return False

    def _all_waiting(self) -> list[Waiting]:
        with self._changing:
            return list(self._waiting)

    def _look(self, waiting: list[Waiting]) -> None:
        """Wake those whose jobs have ended or are gone. Raises DatabaseError."""
        with time_limit(LOOK_SECONDS):
            unfinished = self._store().unfinished({waiter.job_id for waiter in waiting})
        for waiter in waiting:
            if waiter.job_id not in unfinished:
                waiter.wake()


def _pause(waiting: list[Waiting]) -> float:
    """Return how long to wait before the next look: longer for those who have waited for long already."""
    newest = max((waiter.since for waiter in waiting), default=time.monotonic())
    age = time.monotonic() - newest
    return min(max(age * SHARE_OF_PAUSE, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


_watches: Final[weakref.WeakSet[Watch]] = weakref.WeakSet()


def _renew_all() -> None:
    for watch in list(_watches):
        watch.renew()


os.register_at_fork(after_in_child=_renew_all)
