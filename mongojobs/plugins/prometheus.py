"""Prometheus metrics of a process: the jobs it enqueues, and the outcomes of those it runs.

Needs the extra ``prometheus``. What the database tells of queues and workers is in ``prometheus_queues``.
"""

from __future__ import annotations

import threading
from typing import Final

from mongojobs.core import notices as n
from mongojobs.core.errors import ExtraMissingError
from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Lifecycle, Plugin
from mongojobs.core.stats import MOST_PAIRS, OTHER, ending_of
from mongojobs.version import __version__

try:
    import prometheus_client
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ImportError:
    raise ExtraMissingError.of("prometheus", "PrometheusPlugin") from None

DURATION_BUCKETS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
WAIT_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)
RESERVE_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class PrometheusPlugin(Plugin):
    """Counts in *registry*, by default the client library's own.

    ``mongojobs.configure(plugins=[PrometheusPlugin])`` does for a web process and for workers.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        per_job = ("queue", "job")
        self._enqueued = Counter("mongojobs_jobs_enqueued_total", "Jobs that were stored.", per_job, registry=registry)
        self._merged = Counter(
            *("mongojobs_calls_merged_total", "Calls that became no job, as another one held their key."),
            (*per_job, "answer"),
            registry=registry,
        )
        self._processed = Counter(
            "mongojobs_jobs_processed_total", "Runs by how they ended.", (*per_job, "outcome"), registry=registry
        )
        self._duration = Histogram(
            *("mongojobs_job_duration_seconds", "How long runs took.", per_job),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._wait = Histogram(
            *("mongojobs_job_wait_seconds", "How long jobs waited once they were due.", ("queue",)),
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self._reserve = Histogram(
            *("mongojobs_reserve_seconds", "How long reserving jobs took."), buckets=RESERVE_BUCKETS, registry=registry
        )
        self._reserve_errors = Counter(
            "mongojobs_reserve_errors_total", "Failed attempts to reserve jobs.", ("reason",), registry=registry
        )
        build = Gauge("mongojobs_build_info", "The version of mongojobs.", ("version",), registry=registry)
        build.labels(__version__).set(1)
        self._schedules = _Schedules(registry)
        self._series: dict[tuple[str, str], _Series] = {}
        self._adding = threading.Lock()

    def register(self, lifecycle: Lifecycle) -> None:
        """Listen to what it counts."""
        heard = (
            n.JobEnqueued,
            n.CallMerged,
            n.JobStarted,
            n.RunEnded,
            n.JobsReserved,
            n.ReserveFailed,
            n.AboutSchedule,
        )
        lifecycle.on_notice(self.hear, *heard)

    def hear(self, notice: n.Notice) -> None:
        """Count what *notice* reports."""
        match notice:
            case n.JobStarted():
                self._of(notice.job).wait.observe(notice.waited)
            case n.JobEnqueued():
                self._of(notice.job).enqueued.inc()
            case n.CallMerged():
                self._of(notice.job).merge(notice.answer)
            case n.JobsReserved():
                self._reserve.observe(notice.seconds)
            case n.ReserveFailed():
                self._reserve_errors.labels(notice.reason).inc()
            case n.ScheduleTicked() | n.TicksDropped():
                self._schedules.hear(notice)
            case _ if isinstance(notice, n.RunEnded):
                self._of(notice.job).end(*ending_of(notice))
            case _:
                pass

    def _of(self, job: Job) -> _Series:
        series = self._series.get((job.queue, job.name))
        if series is None:
            with self._adding:
                labels = (job.queue, job.name) if len(self._series) < MOST_PAIRS else (OTHER, OTHER)
                if labels not in self._series:
                    self._series[labels] = _Series(self, *labels)
                series = self._series[labels]
        return series


def without_creation_times() -> None:
    """Keep the client library from exporting creation times; only for a process that is ours."""
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # has no types


class _Schedules:
    """What becomes of the ticks of schedules, by the names of the first ones."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._names: set[str] = set()
        self._late = Histogram(
            *("mongojobs_schedule_lateness_seconds", "How long after its tick a job was enqueued.", ("schedule",)),
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self._dropped = Counter(
            *("mongojobs_schedule_ticks_dropped_total", "Ticks without a job.", ("schedule", "result")),
            registry=registry,
        )

    def hear(self, notice: n.AboutSchedule) -> None:
        if len(self._names) < MOST_PAIRS:
            self._names.add(notice.schedule)
        name = notice.schedule if notice.schedule in self._names else OTHER
        if isinstance(notice, n.ScheduleTicked):
            self._late.labels(name).observe(notice.late)
        else:
            self._dropped.labels(name, notice.result).inc(notice.number)


class _Series:
    """The time series of one job name in one queue, kept: looking them up takes longer than counting."""

    def __init__(self, plugin: PrometheusPlugin, queue: str, job: str) -> None:
        self.enqueued = plugin._enqueued.labels(queue, job)
        self.wait = plugin._wait.labels(queue)
        self._duration = plugin._duration.labels(queue, job)
        self._merged = plugin._merged
        self._processed = plugin._processed
        self._labels = (queue, job)
        self._outcomes: dict[str, Counter] = {}

    def merge(self, answer: str) -> None:
        self._merged.labels(*self._labels, answer).inc()

    def end(self, outcome: str | None, seconds: float | None) -> None:
        if seconds is not None:
            self._duration.observe(seconds)
        if outcome is None:
            return
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = self._processed.labels(*self._labels, outcome)
        counter.inc()
