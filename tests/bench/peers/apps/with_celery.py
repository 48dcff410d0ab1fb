"""The app for Celery, with Redis as its broker."""

import os

import celery

from tests.bench.peers.moments import note

app = celery.Celery("bench", broker=os.environ["PEER_URL"])


@app.task(name="body")
def body(sent: float) -> None:
    """Do nothing but note the moment."""
    note(sent)


def prepare() -> None:
    """Leave no job behind."""
    app.control.purge()


def enqueue(sent: float) -> None:
    """Enqueue one."""
    body.delay(sent)


def enqueue_many(count: int) -> None:
    """Enqueue this many, one by one: Celery has no other way."""
    for _ in range(count):
        body.delay(0.0)
