"""Looks and listens for the ends of jobs, for all who wait in this process: one thread, one stream, one question.

Two actors: one who waits looks, and the job has not ended; then it ends; then the stream is opened, and tells nothing
of it. So whoever waits is noted before the first look, and after the stream was opened there is a look for all. What is
heard only makes them look sooner: what makes sure that each end is found are the looks.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from mongojobs.core.job import JobId
from mongojobs.results.ears import Ears, Stream
from mongojobs.results.waiting import W, Waiting
from mongojobs.store.time_limits import time_limit

SHORTEST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0
SHARE_OF_PAUSE: Final = 0.1
"""Pauses between looks are this share of how long the one has waited who came last."""
HEARD_PAUSE_SECONDS: Final = 5.0
"""The same for those whose jobs are heard of as they end; a job that somebody deletes is not."""
LINGER_SECONDS: Final = 2.0
"""How long the thread stays when nobody waits any more: the next one usually comes soon."""
LOOK_SECONDS: Final = 2.0
"""How long the database may take for one look, or to open the stream."""
SILENCE_SECONDS: Final = 1.0
"""How long it may take to say that there is no news; it may hang."""


class Store(Protocol):
    """What is needed of a store."""

    def unfinished(self, job_ids: Collection[JobId]) -> set[JobId]:
        """Return the ids of jobs that have yet to end."""
        ...

    def ends(self) -> Stream | None:
        """Open a stream of the ends of jobs, if there are streams."""
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
        self._waiting: dict[JobId, list[Waiting]] = {}
        self._arrived = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_here = 0.0
        self.trouble: Exception | None = None

    @contextmanager
    def waiting(self, waiter: W) -> Iterator[W]:
        """Wake *waiter* in the block, from its first wait on, whenever its job has ended or is gone."""
        waiter.listen = self._start
        with self._changing:
            self._waiting.setdefault(waiter.job_id, []).append(waiter)
        try:
            yield waiter
        finally:
            with self._changing:
                self._let_go(waiter)

    def _let_go(self, waiter: Waiting) -> None:
        others = [one for one in self._waiting.pop(waiter.job_id, ()) if one is not waiter]
        if others:
            self._waiting[waiter.job_id] = others
        self._last_here = time.monotonic()

    def _start(self) -> None:
        """Let the thread look soon, and begin if it is not there."""
        with self._changing:
            self._arrived.set()
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="mongojobs-results", daemon=True)
                thread.start()  # which fails where there can be no more
                self._thread = thread

    def _run(self) -> None:
        """Look and listen, again and again: the body of the thread."""
        ears = Ears(lambda: self._store().ends())
        try:
            while self._goes_on():
                self._arrived.clear()
                self._turn(ears)
        finally:
            ears.close()

    def _goes_on(self) -> bool:
        """Whether somebody waits, or did just now; if not, the thread is over by now."""
        with self._changing:
            if self._waiting or time.monotonic() - self._last_here < LINGER_SECONDS:
                return True
            self._thread = None
            return False

    def _turn(self, ears: Ears) -> None:
        """Look once, and listen until it is time for the next look."""
        try:
            with time_limit(LOOK_SECONDS):
                ears.open()
            waiting = self._all_waiting()
            self._look(waiting)
            self.trouble = None
        except Exception as error:  # noqa: BLE001 - without this thread all would wait in vain
            waiting, self.trouble = self._all_waiting(), error
        self._listen(ears, until=time.monotonic() + _pause(waiting, hears=ears.hears))

    def _all_waiting(self) -> list[Waiting]:
        with self._changing:
            return [waiter for waiters in self._waiting.values() for waiter in waiters]

    def _look(self, waiting: list[Waiting]) -> None:
        """Wake those whose jobs have ended or are gone. Raises DatabaseError."""
        if not waiting:
            return
        with time_limit(LOOK_SECONDS):
            unfinished = self._store().unfinished({waiter.job_id for waiter in waiting})
        for waiter in waiting:
            if waiter.job_id not in unfinished:
                waiter.wake()

    def _listen(self, ears: Ears, *, until: float) -> None:
        """Wake those whose jobs are heard to have ended, *until* then, or until somebody comes, or nothing is heard."""
        if not (ears.hears and self._waiting):
            self._arrived.wait(min(until - time.monotonic(), LINGER_SECONDS))
        while ears.hears and self._waiting and not self._arrived.is_set() and time.monotonic() < until:
            with time_limit(SILENCE_SECONDS):
                job_id = ears.next()
            if job_id is not None:
                self._wake(job_id)

    def _wake(self, job_id: JobId) -> None:
        with self._changing:
            waiters = self._waiting.get(job_id, ())
        for waiter in waiters:
            waiter.wake()


def _pause(waiting: list[Waiting], *, hears: bool) -> float:
    """Return how long to wait before the next look: longer for those who have waited for long already."""
    if not waiting:
        return LINGER_SECONDS
    unheard = [waiter.since for waiter in waiting if not (hears and waiter.is_kept)]
    if not unheard:
        return HEARD_PAUSE_SECONDS
    age = time.monotonic() - max(unheard)
    return min(max(age * SHARE_OF_PAUSE, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


_watches: Final[weakref.WeakSet[Watch]] = weakref.WeakSet()


def _renew_all() -> None:
    for watch in list(_watches):
        watch.renew()


os.register_at_fork(after_in_child=_renew_all)
