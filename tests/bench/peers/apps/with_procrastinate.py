"""The app for Procrastinate, on psycopg."""

import os

import procrastinate
import psycopg

from tests.bench.peers.moments import note

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["PEER_URL"]))


@app.task(name="body")
def body(sent: float) -> None:
    """Do nothing but note the moment."""
    note(sent)


def prepare() -> None:
    """Leave no job behind."""
    with psycopg.connect(os.environ["PEER_URL"], autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    with app.open():
        app.schema_manager.apply_schema()


def enqueue(sent: float) -> None:
    """Enqueue one."""
    app.open()  # which does nothing the next time
    body.defer(sent=sent)


def enqueue_many(count: int) -> None:
    """Enqueue this many at once."""
    app.open()
    body.batch_defer(*[{"sent": 0.0}] * count)
