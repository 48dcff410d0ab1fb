"""The tasks that are declared in this process, by the names of their jobs."""

from __future__ import annotations

from typing import Any

from mongojobs.core.job import Job

tasks: dict[str, Any] = {}
"""Each as it was declared first; what ``using`` makes of it is the same job."""


def task_of(job: Job) -> Any:
    """Return the task that *job* is of; None if it is of none that this process knows."""
    target = job.handler.get("target")
    return tasks.get(target) if isinstance(target, str) else None
