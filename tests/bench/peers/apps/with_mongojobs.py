"""The app for mongojobs."""

import os

import mongoengine

import mongojobs
from tests.bench.peers.moments import note

mongoengine.connect(host=os.environ["PEER_URL"], uuidRepresentation="standard")


@mongojobs.job
def body(sent: float) -> None:
    """Do nothing but note the moment."""
    note(sent)


def prepare() -> None:
    """Leave no job behind."""
    connection = mongoengine.get_connection()
    connection.drop_database(mongoengine.get_db().name)
    mongojobs.default_app().create_indexes()


def enqueue(sent: float) -> None:
    """Enqueue one."""
    body.delay(sent)


def enqueue_many(count: int) -> None:
    """Enqueue this many at once."""
    body.delay_many([(0.0,)] * count)
