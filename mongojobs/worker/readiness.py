"""Whether a worker can work: for probes, which ask from threads of their own."""

from __future__ import annotations

from typing import Final

from mongojobs.store.faults import DatabaseError, describe
from mongojobs.store.time_limits import time_limit
from mongojobs.worker.loop import Worker

ANSWER_SECONDS: Final = 2.0
"""How long the database may take to answer."""


def is_live(worker: Worker, *, max_age_seconds: float) -> bool:
    """Whether the worker's loop turned not longer ago, or has ended because the worker leaves.

    The database is not asked: a restart does not bring it back.
    """
    return worker.is_stopping or worker.pulse.age_seconds() <= max_age_seconds


def why_not_ready(worker: Worker) -> str | None:
    """Return why the worker cannot work; None if it can: the database answers, and no query has missed its index.

    The loop is not looked at: whether it turns is told by ``is_live``.
    """
    connections = worker.connections
    if worker.is_stopping:
        return "the worker is stopping"
    if connections is None:
        return "the database has not answered yet"
    try:
        with time_limit(ANSWER_SECONDS):
            connections.store.queries.ping()
    except DatabaseError as error:
        return f"the database does not answer: {describe(error)}"
    missing = connections.store.queries.missing_indexes()
    return f"missing: the index {', '.join(missing)}; run `mongojobs create-indexes`" if missing else None
