"""Judoscale, whose own package reports every ten seconds how long the jobs of each queue wait.

Needs the extra ``judoscale``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mongojobs.app import MongoJobs, default_app
from mongojobs.autoscaling.queues import named_queues
from mongojobs.core.clock import SystemClock
from mongojobs.core.errors import ExtraMissingError
from mongojobs.store.time_limits import time_limit
from mongojobs.version import __version__

try:
    from judoscale.core.adapter import Adapter, AdapterInfo
    from judoscale.core.config import config
    from judoscale.core.metric import Metric
    from judoscale.core.metrics_collectors import JobMetricsCollector
    from judoscale.core.reporter import reporter
except ImportError:
    raise ExtraMissingError.of("judoscale", "report_to_judoscale") from None

ADAPTER: Final = "judoscale-mongojobs"
PATIENCE_SECONDS: Final = 5.0
MOST_QUEUES: Final = 20
"""How many queues Judoscale takes of one app, as its adapters for other libraries have it."""


def report_to_judoscale(queues: Iterable[str] = (), *, app: MongoJobs | None = None) -> None:
    """Report how long the jobs of *queues*, or of all, wait, from a thread of Judoscale's package.

    Call it once in each process that may do so, in the web process as well as in workers: the package sees to it that
    one of each kind reports, and none where ``JUDOSCALE_URL`` is not set. *app* is the default one unless given. Raises
    ConfigurationError.
    """
    wanted = named_queues(queues, of="queues")
    if not config.is_enabled or any(one.identifier == ADAPTER for one in reporter.adapters):
        return
    collector = _QueueTimes(wanted, app)
    reporter.add_adapter(Adapter(ADAPTER, AdapterInfo(runtime_version=__version__), collector))
    reporter.ensure_running()


class _QueueTimes(JobMetricsCollector):
    """Collects the latency of each queue; one without waiting jobs is reported as long as this process has seen it."""

    def __init__(self, queues: tuple[str, ...], app: MongoJobs | None) -> None:
        super().__init__(config=config)
        self._app = app
        self._seen: set[str] = set()
        self._adapter_config = {"ENABLED": True, "MAX_QUEUES": MOST_QUEUES, "QUEUES": list(queues)}

    @property
    def adapter_config(self) -> dict[str, Any]:
        """What Judoscale's package is to know of this adapter."""
        return self._adapter_config

    @property
    def _queues(self) -> list[str]:
        return sorted(self._seen)

    def collect(self) -> list[Metric]:
        """Return a metric of each queue, in milliseconds. Raises StoreUnavailableError, which the package logs."""
        if not self.should_collect:
            return []
        app = self._app or default_app()
        with time_limit(PATIENCE_SECONDS):
            waits = {queue: round(wait.total_seconds() * 1000) for queue, wait in app.latency().items()}
        self._seen |= {app.settings.default_queue_name, *waits}
        now = SystemClock().now().timestamp()
        return [Metric(timestamp=now, value=waits.get(one, 0), queue_name=one) for one in sorted(self.queues)]
