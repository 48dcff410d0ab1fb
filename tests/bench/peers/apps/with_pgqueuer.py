"""The app for PgQueuer, on asyncpg."""

import asyncio
import os

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer.models import Job

from tests.bench.peers.moments import note

_loop = asyncio.new_event_loop()
_queries: list[Queries] = []


async def work() -> None:
    """Do as its command `pgq run` does, which this version cannot start."""
    app = PgQueuer(AsyncpgDriver(await asyncpg.connect(os.environ["PEER_URL"])))

    @app.entrypoint("body")
    async def body(job: Job) -> None:
        note(float(job.payload or b"0"))

    await app.run(batch_size=100)


def prepare() -> None:
    """Leave no job behind."""
    _loop.run_until_complete(_prepare())


def enqueue(sent: float) -> None:
    """Enqueue one."""
    _loop.run_until_complete(_connected().enqueue("body", str(sent).encode()))


def enqueue_many(count: int) -> None:
    """Enqueue this many at once."""
    _loop.run_until_complete(_connected().enqueue(["body"] * count, [b"0"] * count, [0] * count))


async def _prepare() -> None:
    queries = await _connect()
    if await queries.schema_is_installed():
        await queries.uninstall()
    await queries.install()


def _connected() -> Queries:
    if not _queries:
        _queries.append(_loop.run_until_complete(_connect()))
    return _queries[0]


async def _connect() -> Queries:
    return Queries(AsyncpgDriver(await asyncpg.connect(os.environ["PEER_URL"])))


if __name__ == "__main__":
    uvloop.run(work())
