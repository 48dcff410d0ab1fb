"""Looking into the jobs for a moment, without the app: for what somebody who types waits for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from mongojobs.app.connections import find_link
from mongojobs.core.settings import Settings
from mongojobs.store import clients
from mongojobs.store.jobs import open_store
from mongojobs.store.time_limits import time_limit


def peek_at_queues(settings: Settings, environ: Mapping[str, str], *, within: timedelta) -> list[str]:
    """Return the queues in which jobs are ready. Raises ConfigurationError, DatabaseError.

    The way to the jobs must be in the settings or in *environ*: the app, which may connect as well, is not asked.
    """
    link = find_link(settings, environ)
    link.client.close()
    client = clients.open_client(link.address or "", link.options, pool_size=1, patience=within)
    try:
        with time_limit(within.total_seconds()):
            return open_store(client, link.database, settings).ready_queues()
    finally:
        client.close()
