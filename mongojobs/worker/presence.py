"""A worker's document in the database: it shows that the worker is alive, and brings orders from people."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta

from mongojobs.core.clock import monotonic_seconds, truncate
from mongojobs.core.notices import WorkerTold
from mongojobs.process.memory import peak_bytes
from mongojobs.store.faults import DatabaseError
from mongojobs.store.workers import MOST_RUNS_SHOWN, RunningJob, WorkerOrder, WorkerState, WorkerStatus
from mongojobs.version import __version__
from mongojobs.worker.assembly import Parts
from mongojobs.worker.run.inflight_job import InFlightJob
from mongojobs.worker.threads.ticker import Ticker


class Presence:
    """Shows what a worker is doing, and calls *obey* once for each order."""

    def __init__(self, parts: Parts, obey: Callable[[WorkerOrder], object], ticker: Ticker | None = None) -> None:
        self.obeyed: set[WorkerOrder] = set()
        self._parts = parts
        self._context = parts.context
        self._obey = obey
        self._ticker = ticker

    def beat(self) -> None:
        """Show that the worker is alive, and do what people have told it since. Raises DatabaseError."""
        order = self._parts.connections.workers.beat(self._status())
        if order == "look":
            self._look()
        elif order is not None and order not in self.obeyed:
            self.obeyed.add(order)
            self._context.reporter.tell(WorkerTold, order)
            self._obey(order)

    def _look(self) -> None:
        if self._ticker is not None:
            self._ticker.wake()

    def leave(self) -> None:
        """Remove the document, and close the connections."""
        try:
            self._parts.connections.workers.remove(self._context.reporter.name)
        except DatabaseError:
            pass  # it expires by itself
        finally:
            self._parts.connections.close()

    def _status(self) -> WorkerStatus:
        settings, connections, running = (
            self._context.settings,
            self._parts.connections,
            self._parts.in_flight.running(),
        )
        now = connections.store.clock.now()
        return WorkerStatus(
            name=self._context.reporter.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=connections.opened_at,
            queues=settings.queues,
            min_priority=settings.min_priority,
            max_priority=settings.max_priority,
            threads=settings.threads,
            busy=len(running),
            alone=self._parts.demand.is_alone,
            state=self._state(),
            running=tuple(_shown(held, now) for held in running[:MOST_RUNS_SHOWN]),
            memory_bytes=peak_bytes(),
            version=__version__,
            schedules=self._schedules(),
        )

    def _schedules(self) -> tuple[str, ...]:
        return () if self._ticker is None else tuple(self._ticker.ticks.declared)

    def _state(self) -> WorkerState:
        if self._context.stopping.is_set():
            return "stopping"
        return "quiet" if self._context.quiet.is_set() else "working"


def _shown(held: InFlightJob, now: datetime) -> RunningJob:
    """Return the entry in the list of workers for a job running *now*."""
    job, elapsed = held.job, monotonic_seconds() - (held.started or monotonic_seconds())
    return RunningJob(
        id=job.id,
        name=job.name,
        queue=job.queue,
        since=truncate(now - timedelta(seconds=elapsed)),
        progress=job.progress,
        cancelling=job.cancelling,
    )
