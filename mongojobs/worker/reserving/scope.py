"""Which jobs a worker reserves at this moment: those that it works on, less those of paused queues."""

from __future__ import annotations

import dataclasses
import time
from typing import Final

from mongojobs.store.jobs import JobStore, QueueSelector
from mongojobs.store.pauses import PauseStore

PAUSES_SECONDS: Final = 2.0
"""How long a worker goes by what it knows of pauses; they are to be honoured within five seconds."""
QUEUES_SECONDS: Final = 0.25
"""How long it goes by the names of queues, while one is paused; a new queue waits no longer than that."""


class ReserveScope:
    """What to ask the store for; used by one thread only.

    While some queue is paused, a worker on all queues asks for the others by name: to ask for "not the paused ones"
    would make the server read all jobs of the paused ones.
    """

    def __init__(self, store: JobStore, pauses: PauseStore, wanted: QueueSelector) -> None:
        self.wanted = wanted
        """What the worker works on, paused or not."""
        self.paused: frozenset[str] = frozenset()
        self._store = store
        self._pauses = pauses
        self._look_for_pauses = 0.0
        self._look_for_queues = 0.0
        self._others: tuple[str, ...] = ()

    def now(self) -> QueueSelector | None:
        """Return what to ask for now; None when all of it is paused. Raises DatabaseError.

        A single job that somebody has asked for is asked for whether its queue is paused or not.
        """
        if self.wanted.only is not None:
            return self.wanted
        moment = time.monotonic()
        if moment >= self._look_for_pauses:
            self.paused = frozenset(pause.queue for pause in self._pauses.all())
            self._look_for_pauses = moment + PAUSES_SECONDS
        if not self.paused:
            return self.wanted
        queues = tuple(name for name in self._names(moment) if name not in self.paused)
        return dataclasses.replace(self.wanted, queues=queues) if queues else None

    def _names(self, moment: float) -> tuple[str, ...]:
        if self.wanted.queues:
            return self.wanted.queues
        if moment >= self._look_for_queues:
            self._others = tuple(self._store.ready_queues())
            self._look_for_queues = moment + QUEUES_SECONDS
        return self._others
