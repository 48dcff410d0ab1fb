"""Connecting to a database that may be away, or hang, in a thread that a stop can leave behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from mongojobs.core.errors import StoreUnavailableError
from mongojobs.store.jobs import JobStore, QueueSelector
from mongojobs.store.lifecycle.end import Holding
from mongojobs.store.pauses import PauseStore
from mongojobs.store.stats import StatsStore
from mongojobs.store.stream import JobStream
from mongojobs.store.workers import WorkerStore
from mongojobs.worker.outage import Outage

T = TypeVar("T")

CONNECTING: Final = "connecting"
LEAVE_SECONDS: Final = 0.5
"""How long the thread may take to end after a stop; one that a database holds up ends with the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """A worker's ways to the database.

    *holding* and *workers*, which the heartbeat uses, have a client of their own, so that nothing else can hold it up.
    """

    store: JobStore
    holding: Holding
    workers: WorkerStore
    pauses: PauseStore
    stats: StatsStore | None
    """Where figures about runs go; None where none are wanted."""
    open_stream: Callable[[QueueSelector], JobStream] | None
    """Opens a change stream; None where the server has none."""
    close: Callable[[], None]
    opened_at: datetime


class Connecting:
    """A worker's way to its connections.

    *connect* opens them, and raises StoreUnavailableError where that fails; then it is tried again, as long as there is
    *patience*. It may take as long as the database does, so its answer and the stop race each other, and the first one
    counts.
    """

    def __init__(
        self,
        connect: Callable[[], Connections],
        outage: Outage,
        stopping: threading.Event,
        *,
        patience: timedelta | None = None,
    ) -> None:
        self._patience = float("inf") if patience is None else patience.total_seconds()
        self._connect = connect
        self._outage = outage
        self._stopping = stopping
        self._answer: Future[Connections | None] = Future()
        self._thread = threading.Thread(target=self._run, name="mongojobs-connecting", daemon=True)

    def run(self) -> Connections | None:
        """Connect, and wait for a database that is away; None when given up meanwhile.

        Raises StoreUnavailableError when the database refuses, or is away for longer than there is patience, and
        whatever else *connect* does.
        """
        self._thread.start()
        try:
            return self._answer.result()
        finally:
            self.give_up()
            self._thread.join(LEAVE_SECONDS)

    def give_up(self) -> None:
        """End the wait, if there is still one; to be called once the worker is told to stop."""
        self._is_first(self._answer.set_result, None)

    @property
    def hangs(self) -> bool:
        """Whether the database still holds up the thread."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            connections = self._connect_patiently()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            self._is_first(self._answer.set_exception, error)
        else:
            if not self._is_first(self._answer.set_result, connections) and connections is not None:
                connections.close()

    def _connect_patiently(self) -> Connections | None:
        ends = time.monotonic() + self._patience
        while not self._stopping.is_set():
            try:
                connections = self._connect()
            except StoreUnavailableError as error:
                left = ends - time.monotonic()
                if error.refused or left <= 0:
                    raise
                if not self._stopping.is_set():
                    self._stopping.wait(min(self._outage.note_failure(CONNECTING, error), left))
            else:
                self._outage.note_recovered(CONNECTING)
                return connections
        return None

    def _is_first(self, settle: Callable[[T], None], answer: T) -> bool:
        try:
            settle(answer)
        except InvalidStateError:
            return False
        return True
