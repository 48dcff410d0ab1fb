"""How many calls were merged into a job, told when its life ends: for statistics, which a call itself must not cost.

Until then the job keeps count itself. A job that runs again for a call that came meanwhile begins to count anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from mongojobs.core.job import Document, Job
from mongojobs.store.queries import Queries
from mongojobs.store.reading import count


def tell_merged(queries: Queries, jobs: Iterable[Job]) -> None:
    """Tell of each of *jobs*, which are about to end, how many calls were merged into it.

    Those that hold keys are asked for it, all at once, as further calls may have come while they ran; one that is to
    run again will tell when that is written. A call that comes just after the question is missed, or told twice.
    """
    if queries.on_merged is None:
        return
    holding = {job.id: job for job in jobs if job.unique_key is not None}
    for job in jobs:
        if job.unique_key is None and job.merged:
            queries.on_merged(job, job.merged)
    if holding:
        merged = {"_id": {"$in": list(holding)}, "merged": {"$exists": True}, "again": {"$exists": False}}
        for found in queries.find(merged, {"merged": 1}, index="_id_"):
            tell_of(queries, holding[found["_id"]], found)


def tell_of(queries: Queries, job: Job, found: Document) -> None:
    """Tell how many calls were merged into *job*, *found* as it ends."""
    if queries.on_merged is not None and (number := count(found.get("merged"))):
        queries.on_merged(job, number)
