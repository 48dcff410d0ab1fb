"""Three loops without a library, as measures of what the server and the driver give.

`naive` is what everybody writes first: find_one_and_update, run, delete_one. `reference` does what the fastest loop
that we know of does: batches under a token, finished by another thread while the next batch is reserved. `listening`
does what `naive` does, for each job that a change stream tells of.
"""

import json
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

Jobs = Collection[dict[str, Any]]
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


def reference(jobs: Jobs, limit: int) -> int:
    """Reserve in batches, the next one while this one runs; delete what has been run meanwhile."""
    finished: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    batches: SimpleQueue[list[dict[str, Any]]] = SimpleQueue()
    wanted = threading.Semaphore(2)
    finisher = threading.Thread(target=_finish, args=(jobs, finished))
    reserver = threading.Thread(target=_reserve, args=(jobs, batches, wanted), daemon=True)
    finisher.start()
    reserver.start()
    count = 0
    while count < limit and (batch := batches.get()):
        wanted.release()
        for found in batch:
            perform(*found["handler"]["args"])
            finished.put(found)
        count += len(batch)
    finished.put(None)
    finisher.join()
    return count


def _reserve(jobs: Jobs, batches: SimpleQueue[list[dict[str, Any]]], wanted: threading.Semaphore) -> None:
    batch: list[dict[str, Any]] | None = None
    while batch is None or batch:
        wanted.acquire()
        token = uuid4().hex
        query = due()
        ids = [found["_id"] for found in jobs.find(query, {"_id": 1}, sort=ORDER, limit=BATCH, hint="ready")]
        jobs.update_many(query | {"_id": {"$in": ids}}, locked(token), hint="_id_")
        batch = list(jobs.find({"_id": {"$in": ids}, "lock_token": token}))
        batches.put(batch)


def _finish(jobs: Jobs, finished: SimpleQueue[dict[str, Any] | None]) -> None:
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
        while len(marks) < limit:
            stream.next()
            found = jobs.find_one_and_update(due(), locked("bare"), sort=ORDER, return_document=ReturnDocument.AFTER)
            assert found is not None
            marks.append((*found["handler"]["args"], time.monotonic()))
            jobs.delete_one({"_id": found["_id"], "lock_token": "bare"})
    return limit


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
