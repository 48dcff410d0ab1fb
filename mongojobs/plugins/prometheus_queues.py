"""Prometheus metrics of the queues and workers, read from the database.

Needs the extra ``prometheus``. One process is enough for all of an app: ``mongojobs metrics``.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from mongojobs.core.errors import ExtraMissingError
from mongojobs.store.reader.queues import QueueState, QueueStatus
from mongojobs.store.workers import WorkerStatus

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ImportError:
    raise ExtraMissingError.of("prometheus", "QueueMetrics") from None

MOST_QUEUES: Final = 200
MOST_WORKERS: Final = 1000
"""How many are reported; names of queues and workers are labels, so their number must be bounded."""
_STATES: Final = get_args(QueueState)
_WORKER_STATES: Final = ("busy", "idle", "quiet", "stopping")
SHARE: Final = 20
"""Looking may take a twentieth of the time: the next look waits twenty times as long as the last one took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the database says at one moment."""

    queues: Sequence[QueueStatus]
    workers: Iterable[WorkerStatus]


class QueueMetrics(Collector):
    """Reports what *look* found at most *seconds* ago; simultaneous scrapes share one look.

    What *look* raises goes through: a scrape that fails is seen, and one that tells of yesterday is not.
    """

    def __init__(self, look: Callable[[], Look], *, seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._looking = threading.Lock()
        self._found: tuple[Metric, ...] = ()
        self._until = 0.0

    def describe(self) -> Iterable[Metric]:
        """Return the names of the metrics without asking the database."""
        return _families()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        with self._looking:
            began = time.monotonic()
            if began >= self._until:
                self._found = _metrics(self._look())
                now = time.monotonic()
                self._until = now + max(self._seconds, SHARE * (now - began))
            return self._found


def new_registry(collector: Collector) -> CollectorRegistry:
    """Return a registry with only *collector*."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


def _families() -> tuple[GaugeMetricFamily, ...]:
    of_queue, of_worker = ("queue",), ("worker",)
    return (
        GaugeMetricFamily("mongojobs_queue_jobs", "Jobs in a queue by state.", labels=("queue", "state")),
        GaugeMetricFamily("mongojobs_queue_latency_seconds", "How long the oldest due job waits.", labels=of_queue),
        GaugeMetricFamily("mongojobs_queue_paused", "1 for a paused queue.", labels=of_queue),
        GaugeMetricFamily("mongojobs_workers", "Worker processes alive.", labels=("state",)),
        GaugeMetricFamily("mongojobs_worker_threads", "Threads of a worker.", labels=of_worker),
        GaugeMetricFamily("mongojobs_worker_threads_busy", "Jobs that a worker runs.", labels=of_worker),
        GaugeMetricFamily(
            "mongojobs_worker_heartbeat_timestamp_seconds", "When a worker last sent its heartbeat.", labels=of_worker
        ),
    )


def _metrics(look: Look) -> tuple[GaugeMetricFamily, ...]:
    families = jobs, latency, paused, workers, threads, busy, heartbeat = _families()
    for queue in sorted(look.queues, key=_fullness)[:MOST_QUEUES]:
        for state in _STATES:
            jobs.add_metric((queue.queue, state), queue.counts.of(state).number)
        latency.add_metric((queue.queue,), queue.latency.total_seconds())
        paused.add_metric((queue.queue,), queue.pause is not None)
    alive = list(look.workers)
    doing = Counter(map(_doing, alive))
    for what in _WORKER_STATES:
        workers.add_metric((what,), doing[what])
    for worker in alive[:MOST_WORKERS]:
        threads.add_metric((worker.name,), worker.threads)
        busy.add_metric((worker.name,), worker.busy)
        if worker.heartbeat_at is not None:
            heartbeat.add_metric((worker.name,), worker.heartbeat_at.timestamp())
    return families


def _fullness(queue: QueueStatus) -> tuple[bool, int]:
    """Sort the fullest queue first, but paused queues before all others."""
    counts = queue.counts
    unended = counts.ready, counts.scheduled, counts.running, counts.cancelling
    return queue.pause is None, -sum(count.number for count in unended)


def _doing(worker: WorkerStatus) -> str:
    if worker.state != "working":
        return worker.state
    return "busy" if worker.busy else "idle"
