"""Jobs that go through rows, and write to a file which ones they have done."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mongoengine
from mongoengine import Document, IntField, StringField

from mongojobs import Job, current_job, job
from tests.support.fault_app import note

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")

gates: dict[str, threading.Event] = {}
"""What a job waits for in the middle; made by the test."""


class Row(Document):
    number = IntField(primary_key=True)
    word = StringField()


def this_job() -> Job:
    job = current_job()
    assert job is not None
    return job


def collection() -> Any:
    return Row._get_collection()


KINDS: dict[str, Callable[[int], Any]] = {
    "query": lambda _count: Row.objects,
    "filtered": lambda _count: Row.objects(number__gte=0).order_by("-number").only("number"),
    "raw query": lambda _count: Row.objects.as_pymongo(),
    "collection": lambda _count: collection(),
    "find": lambda _count: collection().find({"_id": {"$gte": 0}}, {"_id": 1}),
    "list": lambda count: list(range(count)),
}


def number_of(row: Any) -> int:
    if isinstance(row, int):
        return row
    return int(row["_id"] if isinstance(row, dict) else row.number)


def make_rows(count: int) -> None:
    collection().delete_many({})
    collection().insert_many([{"_id": number, "word": f"w{number}"} for number in range(count)])


def done(ledger: Path) -> list[int]:
    return [int(line) for line in ledger.read_text().split()]


@job(max_attempts=2)
def imports(ledger: str, kind: str, count: int, fails_at: int = -1) -> None:
    """Note each row; fail at one in the first run."""
    for row in this_job().each(KINDS[kind](count)):
        number = number_of(row)
        if number == fails_at and not this_job().attempts:
            raise ValueError("no luck")
        note(ledger, str(number))


@job
async def imports_on_the_loop(ledger: str, count: int) -> None:
    async for row in this_job().each(Row.objects):
        note(ledger, str(row.number))
        assert this_job().progress is None or count


@job
def imports_until(ledger: str, count: int, gate: str, at: int) -> None:
    """Note each row, and wait at one of them."""
    for number in this_job().each(range(count)):
        if number == at:
            note(ledger, f"{number}")
            gates[gate].wait()
        else:
            note(ledger, f"{number}")


@job
def imports_twice(ledger: str, count: int) -> None:
    for number in this_job().each(range(count), name="first"):
        note(ledger, str(number))
    for number in this_job().each(range(count), name="second"):
        note(ledger, str(100 + number))


@job
def imports_slowly(ledger: str, seconds: float) -> None:
    """Note each row when it is done."""
    pause = threading.Event()
    for row in this_job().each(Row.objects):
        pause.wait(seconds)
        note(ledger, str(row.number))
        this_job().log.info("row %s in run %s", row.number, this_job().fence)


@job
def imports_poison(ledger: str, poisonous: list[int], skip_after: int | None = 3, pause: float = 0.0) -> None:
    """Note each row, and die at some of them."""
    for row in this_job().each(Row.objects, skip_after=skip_after):
        if row.number in poisonous:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(pause)
        note(ledger, str(row.number))


@job
def goes_through(name: str, options: list[tuple[str, Any]]) -> None:
    for _ in this_job().each(ODD[name], **dict(options)):
        pass


ODD: dict[str, Any] = {}
"""Rows that cannot be stored, by the name that a test gives them."""


def cursor_count(app: Any, job: Job) -> int:
    """Return how many rows are done, as stored."""
    return sum(cursor.get("count", 0) for cursor in app.get(job.id).cursors)
