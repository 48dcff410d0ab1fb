"""The app of a loop without a library: what MongoDB and its driver leave for anybody who does more than it does.

Its jobs are in mongojobs' collection with its indexes, and it takes them in batches as large as those of mongojobs. It
has no log, no limits of time, no leases, no retries, no hooks and no statistics.
"""

import os
import sys
from datetime import UTC, datetime

from pymongo import MongoClient, WriteConcern

from tests.bench import yardsticks
from tests.bench.peers.apps import with_mongojobs
from tests.bench.peers.moments import note

_BATCH = 500
_SPREAD = 8

_client = MongoClient[yardsticks.Job](os.environ["PEER_URL"], tz_aware=True)
_jobs = _client.get_default_database().get_collection("delayed_jobs", write_concern=WriteConcern("majority"))

prepare = with_mongojobs.prepare


def enqueue(sent: float) -> None:
    """Enqueue one."""
    _jobs.insert_one(_job(sent))


def enqueue_many(count: int) -> None:
    """Enqueue this many at once."""
    _jobs.insert_many([_job(0.0) for _ in range(count)], ordered=False)


def _job(sent: float) -> yardsticks.Job:
    at = {"priority": 0, "run_at": datetime.now(UTC)}
    return {"state": "ready", "queue": "default", **at, "handler": {"args": [sent]}}


def work() -> None:
    """Drain what is there, and then run what comes, one by one."""
    with _jobs.watch([{"$match": {"operationType": "insert"}}]) as stream:
        yardsticks.reference(_jobs, sys.maxsize, size=_BATCH, spread=_SPREAD, body=note)
        while stream.next():
            yardsticks.run_one(_jobs, note)


if __name__ == "__main__":
    work()
