"""The probes of a worker: what it answers on ``--probe-port``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.options import DurationType, own_option
from mongojobs.core.words.wording import to_json

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from mongojobs.app import Worker
    from mongojobs.cli.shared.opening import Opened
    from mongojobs.plugins.probes import Answer, Page, ProbeServer

LOOPBACK: Final = "127.0.0.1"
CACHE_SECONDS: Final = 5.0
QUERY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """Where a worker answers probes, and for how long its loop may stand still."""

    probe_port: int | None = None
    probe_host: str = LOOPBACK
    probe_max_age: timedelta = timedelta(seconds=60)

    def port_of(self, number: int | None) -> int:
        """Return the port of process *number* of a supervisor: each has its own, counting up from the first."""
        port = self.probe_port or 0
        return port + (number or 0) if port else 0

    def words(self) -> list[str]:
        """Return these options as words of a command."""
        if self.probe_port is None:
            return []
        age = self.probe_max_age.total_seconds()
        return [f"--probe-port={self.probe_port}", f"--probe-host={self.probe_host}", f"--probe-max-age={age:g}"]


def probe_options() -> list[click.Option]:
    """Return the flags."""
    return [
        own_option(
            "--probe-port",
            text="port to answer /livez, /readyz, /metrics and /stats.json on; several processes take the next ones",
            variable="MONGOJOBS_PROBE_PORT",
            type=click.IntRange(0, 65535),
            metavar="PORT",
        ),
        own_option(
            "--probe-host",
            text="address to answer probes on; 0.0.0.0: all, as for Kubernetes, which probes from outside",
            variable="MONGOJOBS_PROBE_HOST",
            default=LOOPBACK,
            show_default=True,
            metavar="ADDRESS",
        ),
        own_option(
            "--probe-max-age",
            text="longest time since the worker's loop last turned, for /livez",
            variable="MONGOJOBS_PROBE_MAX_AGE",
            default="60s",
            type=DurationType(),
            show_default=True,
        ),
    ]


@contextmanager
def probes_of(worker: Worker, opened: Opened, options: ProbeOptions, *, number: int | None) -> Iterator[None]:
    """Answer probes about *worker* in the block if a port was given. Raises Failure."""
    from mongojobs.plugins.probes import Cached

    if options.probe_port is None:
        yield
        return
    pages: dict[str, Page] = {
        "/livez": lambda: _live(worker, options.probe_max_age.total_seconds()),
        "/readyz": lambda: _ready(worker),
        "/metrics": _metrics_page(opened),
        "/stats.json": Cached(lambda: _stats(worker, opened), CACHE_SECONDS),
    }
    with listen(pages, host=options.probe_host, port=options.port_of(number)):
        yield


def listen(pages: Mapping[str, Page], *, host: str, port: int) -> ProbeServer:
    """Return a server of *pages*, to be used in a ``with`` block, and log where it listens. Raises Failure."""
    from mongojobs.plugins.probes import ProbeServer, logger

    try:
        server = ProbeServer(pages, host=host, port=port)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]  # which goes on with what is said already
        raise Failure(f"cannot listen on {host} port {port}: {reason}", NO) from None
    logger.info("Probes: %s answers %s", server.url, " ".join(pages))
    return server


def exposition(registry: CollectorRegistry) -> Answer:
    """Return all metrics of *registry* in Prometheus's format."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    from mongojobs.plugins.probes import Answer

    return Answer(generate_latest(registry).decode(), content_type=CONTENT_TYPE_LATEST)


def _metrics_page(opened: Opened) -> Page:
    """Return the page of this process's metrics: those of the app's own plugin, or of one added to it."""
    from mongojobs.core.errors import ExtraMissingError
    from mongojobs.plugins.probes import Answer

    try:
        from mongojobs.plugins.prometheus import PrometheusPlugin, without_creation_times
    except ExtraMissingError as error:
        message = f"{error}\n"
        return lambda: Answer(message, ok=False)
    plugin = next((one for one in opened.app.plugins if isinstance(one, PrometheusPlugin)), None)
    if plugin is None:
        without_creation_times()
        plugin = PrometheusPlugin()
        plugin.register(opened.app.lifecycle)
    registry = plugin.registry
    return lambda: exposition(registry)


def _live(worker: Worker, max_age_seconds: float) -> Answer:
    from mongojobs.plugins.probes import Answer
    from mongojobs.worker.liveness import is_live

    turned = f"the loop turned {worker.liveness.age_seconds():.1f} s ago\n"
    return Answer(turned, ok=is_live(worker, max_age_seconds=max_age_seconds))


def _ready(worker: Worker) -> Answer:
    from mongojobs.plugins.probes import Answer
    from mongojobs.worker.liveness import why_not_ready

    reason = why_not_ready(worker)
    return Answer(f"{reason or 'ready'}\n", ok=reason is None)


def _stats(worker: Worker, opened: Opened) -> Answer:
    """Return what ``mongojobs status --json`` prints."""
    from mongojobs.app.operations import Operator
    from mongojobs.cli.shared.opening import Database
    from mongojobs.cli.shared.output import plain
    from mongojobs.cli.status import status_document
    from mongojobs.core.errors import StoreUnavailableError
    from mongojobs.plugins.probes import JSON, Answer
    from mongojobs.store.time_limits import time_limit

    connections = worker.connections
    if connections is None:
        return Answer('{"error": "the database has not answered yet"}\n', ok=False, content_type=JSON)
    operator = Operator(connections.store, opened.app.payloads)
    database = Database(connections.store, connections.workers, opened.app.link.database, "", operator)
    try:
        with time_limit(QUERY_SECONDS):
            report, workers, schedules = operator.report(), operator.workers(), operator.schedule_counts()
            document = status_document(report, workers, schedules, database)
    except StoreUnavailableError as error:
        return Answer(json.dumps({"error": str(error)}) + "\n", ok=False, content_type=JSON)
    return Answer(to_json(plain(document), indent=2) + "\n", content_type=JSON)
