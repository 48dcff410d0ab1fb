"""What KEDA counts by ``mongojobs init keda``: the ready jobs that are due, as ``mongojobs status`` counts them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mongojobs.core.settings import Settings


def keda_values(settings: Settings) -> dict[str, object]:
    """Return the values for the template. Raises UsageError for a database that is not named."""
    if settings.database is None:
        raise click.UsageError(
            "which database are the jobs in? KEDA must be told apart from the URI:"
            " mongojobs init keda --database NAME, or set MONGOJOBS_DATABASE"
        )
    return {
        "keda_database": json.dumps(settings.database),
        "keda_collection": json.dumps(settings.collection),
        "keda_query": _quoted(json.dumps(_ready(settings.queues))),
    }


def _ready(queues: Sequence[str]) -> dict[str, object]:
    """Match the ready jobs that are due, of some *queues* or all, whenever it is asked; in canonical extended JSON.

    ``$$NOW`` is the server's time, as KEDA sends the same text each time. What is no date would be less than it, so
    that is bounded too.
    """
    query: dict[str, object] = {
        "state": "ready",
        "run_at": {"$gte": {"$date": {"$numberLong": "0"}}},
        "$expr": {"$lte": ["$run_at", "$$NOW"]},
    }
    return {**query, "queue": {"$in": list(queues)}} if queues else query


def _quoted(text: str) -> str:
    """Return *text* between YAML's single quotes, which keep all else as it is."""
    return "'" + text.replace("'", "''") + "'"
