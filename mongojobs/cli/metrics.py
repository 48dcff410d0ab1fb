"""``mongojobs metrics``: the queues and workers for Prometheus."""

from __future__ import annotations

from datetime import timedelta
from signal import Signals
from typing import TYPE_CHECKING, Final

import click

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import Database, open_database
from mongojobs.cli.shared.options import Command, DurationType, own_option, with_options
from mongojobs.cli.shared.output import say
from mongojobs.cli.shared.standard_files import never_fail
from mongojobs.cli.work.probes import LOOPBACK, QUERY_SECONDS, exposition, listen

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from mongojobs.plugins.probes import Answer, Page
    from mongojobs.plugins.prometheus_queues import Look

PORT: Final = 9808
MOST_COUNTED: Final = 100_000
"""How many jobs are counted at most in each state of a queue: that takes the server some 50 ms."""


@with_options(
    own_option(
        "--host",
        text="address to listen on",
        variable="MONGOJOBS_METRICS_HOST",
        default=LOOPBACK,
        metavar="ADDRESS",
        show_default=True,
    ),
    own_option(
        "--port",
        text="port to listen on",
        variable="MONGOJOBS_METRICS_PORT",
        default=PORT,
        type=click.IntRange(0, 65535),
        metavar="PORT",
        show_default=True,
    ),
    own_option(
        "--cache",
        text="how long an answer is kept and given to all who ask",
        default="15s",
        type=DurationType(),
        show_default=True,
    ),
)
@click.command(cls=Command)
@click.pass_obj
def metrics(options: GlobalOptions, /, *, host: str, port: int, cache: timedelta) -> None:
    """Serve metrics of all queues and workers on /metrics, until told to stop.

    One process is enough however many workers there are; each worker serves its own metrics on its probe port. Needs
    the extra prometheus.
    """
    from mongojobs.plugins.prometheus_queues import QueueMetrics, new_registry
    from mongojobs.process.signals import Mailbox

    never_fail()
    with open_database(options) as database:
        registry = new_registry(QueueMetrics(lambda: _look(database), seconds=cache.total_seconds()))
        pages: dict[str, Page] = {"/metrics": lambda: _answer(registry)}
        with Mailbox([Signals.SIGTERM, Signals.SIGINT]) as mailbox, listen(pages, host=host, port=port) as server:
            say(f"Metrics: {server.url}/metrics", err=True)
            while not mailbox.receive():
                pass


def _answer(registry: CollectorRegistry) -> Answer:
    from mongojobs.core.errors import StoreUnavailableError
    from mongojobs.plugins.probes import Answer

    try:
        return exposition(registry)
    except StoreUnavailableError as error:
        return Answer(f"{error}\n", ok=False)


def _look(database: Database) -> Look:
    from mongojobs.plugins.prometheus_queues import Look
    from mongojobs.store.time_limits import time_limit

    with time_limit(QUERY_SECONDS):
        return Look(queues=database.operator.queues(limit=MOST_COUNTED), workers=database.operator.workers())
