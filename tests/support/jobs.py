"""Sample jobs as the store sees them: their payload is never run."""

from typing import Any

from bson import ObjectId

from mongojobs.core.job import Job
from tests.support.clock import START

HANDLER: dict[str, Any] = {"v": 1, "kind": "function", "target": "x", "args": [], "kwargs": {}}


def a_job(**changes: Any) -> Job:
    """Return a job that is due at the start of a `HeldClock`, with *changes*."""
    values: dict[str, Any] = {
        "id": ObjectId(),
        "name": "app.tasks.send_receipt",
        "queue": "default",
        "priority": 0,
        "run_at": START,
        "handler": HANDLER,
        "created_at": START,
    }
    return Job(**values | changes)
