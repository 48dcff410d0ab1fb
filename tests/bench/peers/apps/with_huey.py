"""The app for Huey, on Redis."""

import os

import huey

from tests.bench.peers.moments import note

app = huey.RedisHuey("bench", url=os.environ["PEER_URL"])


@app.task(name="body")
def body(sent: float) -> None:
    """Do nothing but note the moment."""
    note(sent)


def prepare() -> None:
    """Leave no job behind."""
    app.flush()


def enqueue(sent: float) -> None:
    """Enqueue one."""
    body(sent)


def enqueue_many(count: int) -> None:
    """Enqueue this many, one by one: Huey has no other way."""
    for _ in range(count):
        body(0.0)
