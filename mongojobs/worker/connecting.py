"""Connecting to a database that may be away, or hang, in a thread that a stop can leave behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Final, TypeVar

from mongojobs.core.errors import StoreUnavailableError
from mongojobs.store.clients import Client
from mongojobs.store.jobs import JobStore
from mongojobs.store.lifecycle.end import Holding
from mongojobs.store.logs.log_store import LogStore, logs_of
from mongojobs.store.pauses import PauseStore
from mongojobs.store.queries import Queries
from mongojobs.store.stats.merging import MergingStats
from mongojobs.store.stream import CancelStream, JobStream
from mongojobs.store.workers import WorkerStore
from mongojobs.worker.outage import Outage

T = TypeVar("T")

CONNECTING: Final = "connecting"
LEAVE_SECONDS: Final = 0.5
"""How long the thread may take to end after a stop; if the database blocks it, it ends with the process."""


class Connections:
    """A worker's connections to the database.

    What the heartbeat uses goes through *beat*, a client of its own, so that nothing else can hold it up. *close* lets
    go of both. *of_app* is the client of the app, for the transactions of its jobs.
    """

    def __init__(
        self,
        store: JobStore,
        beat: Client,
        *,
        of_app: Client,
        has_streams: bool,
        is_routed: bool,
        close: Callable[[], None],
    ) -> None:
        jobs, clock, settings = store.collection, store.clock, store.settings
        self.store = store
        self.pauses: PauseStore = PauseStore(jobs, clock)
        self.stats: MergingStats | None = MergingStats(jobs, clock, settings) if settings.stats_retention else None
        """Where statistics go; None if none are wanted."""
        self.open_stream: partial[JobStream] | None = partial(JobStream, jobs) if has_streams else None
        """Opens a change stream; None if the server has none."""
        self.is_routed: bool = is_routed
        """Whether a router stands before the shards, whose streams may be late."""
        self.open_cancelled: partial[CancelStream] | None = partial(CancelStream, jobs) if has_streams else None
        self.close = close
        self.opened_at: datetime = clock.now()  # the last question to the server before somebody waits for the worker
        self._beat = beat
        self._of_app = of_app

    @cached_property
    def holding(self) -> Holding:
        """What the heartbeat does with the jobs that the worker holds."""
        return Holding(self._through_beat)

    def logs(self) -> LogStore:
        """Return where the lines go that jobs have logged."""
        return logs_of(self.store.queries)

    def of_app(self) -> JobStore:
        """Return the store, seen through the client of the app."""
        return JobStore(self.store.queries.through(self._of_app))

    @cached_property
    def workers(self) -> WorkerStore:
        """Where the worker shows itself."""
        return WorkerStore(self._through_beat.collection, self.store.clock, self.store.settings)

    @cached_property
    def _through_beat(self) -> Queries:
        return self.store.queries.through(self._beat)


class Connecting:
    """How a worker gets its connections.

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
        """Connect, waiting for a database that is away; None if given up meanwhile.

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
        """End the wait if there still is one; to be called once the worker has been told to stop."""
        self._is_first(self._answer.set_result, None)

    @property
    def hangs(self) -> bool:
        """Whether the database is still blocking the thread."""
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
        with suppress(InvalidStateError):
            settle(answer)
            return True
        return False
