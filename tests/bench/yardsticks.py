"""Three loops without a library, as measures of what the server and the driver give.

`naive` is what everybody writes first: find_one_and_update, run, delete_one. `reference` does what the fastest loop
that we know of does: batches under a token, finished by another thread while the next batch is reserved. `listening`
does what `naive` does, for each job that a change stream tells of.
"""

import json
import random
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any
from uuid import uuid4

from pymongo import MongoClient, ReturnDocument, WriteConcern
from pymongo.collection import Collection

Job = dict[str, Any]
Jobs = Collection[Job]
ORDER = [("priority", 1), ("run_at", 1), ("_id", 1)]
BATCH = 64
marks: list[tuple[int, float]] = []
"""What the jobs that came one by one were called with, and when they ran."""


def main() -> None:
    """Drain up to this many jobs of the database in the named way, and print how long that took."""
    way, uri, limit = sys.argv[1:]
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        jobs = client.get_default_database().get_collection("delayed_jobs", write_concern=WriteConcern("majority"))
        began = time.monotonic()
        count = LOOPS[way](jobs, int(limit))
        sys.stdout.write(json.dumps({"jobs": count, "seconds": time.monotonic() - began, "marks": marks}))


def naive(jobs: Jobs, limit: int) -> int:
    """Reserve one, run it, delete it."""
    for count in range(limit):
        found = jobs.find_one_and_update(due(), locked("naive"), sort=ORDER, return_document=ReturnDocument.AFTER)
        if found is None:
            return count
        perform(*found["handler"]["args"])
        jobs.delete_one({"_id": found["_id"], "lock_token": "naive"})
    return limit


def reference(
    jobs: Jobs, limit: int, *, size: int = BATCH, spread: int = 1, body: Callable[..., object] | None = None
) -> int:
    """Reserve in batches, the next one while this one runs; delete what has been run meanwhile.

    Several such loops keep apart when each takes one of the first *spread* batches.
    """
    finished: SimpleQueue[Job | None] = SimpleQueue()
    batches: SimpleQueue[list[Job]] = SimpleQueue()
    wanted = threading.Semaphore(2)
    finisher = threading.Thread(target=_finish, args=(jobs, finished))
    reserver = threading.Thread(target=_reserve, args=(jobs, batches, wanted, size, spread), daemon=True)
    finisher.start()
    reserver.start()
    count, run = 0, body or perform
    while count < limit and (batch := batches.get()):
        wanted.release()
        for found in batch:
            run(*found["handler"]["args"])
            finished.put(found)
        count += len(batch)
    finished.put(None)
    finisher.join()
    return count


def _reserve(jobs: Jobs, batches: SimpleQueue[list[Job]], wanted: threading.Semaphore, size: int, spread: int) -> None:
    batch: list[Job] | None = None
    while batch is None or batch:
        wanted.acquire()
        batch = []
        while not batch and (ids := _first(jobs, size, random.randrange(spread))):
            token = uuid4().hex
            jobs.update_many(due() | {"_id": {"$in": ids}}, locked(token), hint="_id_")
            batch = list(jobs.find({"_id": {"$in": ids}, "lock_token": token}))
        batches.put(batch)


def _first(jobs: Jobs, size: int, place: int) -> list[Any]:
    """Return the ids of a batch of due jobs; if the one at this place is empty, those of the first."""
    found = [
        one["_id"] for one in jobs.find(due(), {"_id": 1}, sort=ORDER, skip=place * size, limit=size, hint="ready")
    ]
    return found if found or not place else _first(jobs, size, 0)


def _finish(jobs: Jobs, finished: SimpleQueue[Job | None]) -> None:
    is_over = False
    while not is_over:
        group = [finished.get()]
        while not finished.empty():
            group.append(finished.get())
        ids: dict[str, list[Any]] = {}
        for found in group:
            if found is None:
                is_over = True
            else:
                ids.setdefault(found["lock_token"], []).append(found["_id"])
        if ids:
            jobs.delete_many({"$or": [{"lock_token": token, "_id": {"$in": some}} for token, some in ids.items()]})


def listening(jobs: Jobs, limit: int) -> int:
    """Do as `naive` for each job that comes, after an empty line that says that it listens."""
    with jobs.watch([{"$match": {"operationType": "insert"}}]) as stream:
        sys.stdout.write("\n")
        sys.stdout.flush()
        for _ in range(limit):
            stream.next()
            run_one(jobs, lambda *arguments: marks.append((*arguments, time.monotonic())))
    return limit


def run_one(jobs: Jobs, body: Callable[..., object]) -> None:
    """Reserve a job that is there, run it, delete it."""
    found = jobs.find_one_and_update(due(), locked("bare"), sort=ORDER, return_document=ReturnDocument.AFTER)
    assert found is not None
    body(*found["handler"]["args"])
    jobs.delete_one({"_id": found["_id"], "lock_token": "bare"})


def due() -> dict[str, Any]:
    """Match the jobs that are due."""
    return {"state": "ready", "priority": {"$gte": -(2**31)}, "run_at": {"$lte": datetime.now(UTC)}}


def locked(token: str) -> dict[str, Any]:
    """Return the update that locks a job."""
    return {"$set": {"state": "running", "lock_token": token, "locked_at": datetime.now(UTC)}}


def perform(number: int) -> None:
    """Do nothing, as the jobs do."""


LOOPS: dict[str, Callable[[Jobs, int], int]] = {"naive": naive, "reference": reference, "listening": listening}

if __name__ == "__main__":
    main()
