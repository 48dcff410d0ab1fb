"""Latencies: from the call of ``delay`` to the first line of the job's body."""

import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import mongojobs
from tests.bench.app import marks_its_run, nothing
from tests.bench.ground import Ground
from tests.bench.workers import Listener, working
from tests.support.mongod import Server, with_database

_SETTLED_SECONDS = 1.5
"""After so long a worker without jobs listens."""


def idle(ground: Ground) -> dict[str, float]:
    """An idle worker that listens to a change stream, beside a loop without a library that does so too."""
    one, bare = _beside_a_loop(ground)
    return {
        "ms from enqueue to body, p50": _percentile(one, 50),
        "ms from enqueue to body, p95": _percentile(one, 95),
        "ms from enqueue to body, p50 / bare loop": _percentile(one, 50) / _percentile(bare, 50),
        "ms from enqueue to body, p95 / bare loop": _percentile(one, 95) / _percentile(bare, 95),
    }


def many_idle(ground: Ground) -> dict[str, float]:
    """Eight idle workers, all of which a job wakes."""
    ground.clear()
    with working(ground.uri, count=8) as workers:
        time.sleep(_SETTLED_SECONDS + 2)
        sent = _send(range(ground.size(200, least=10)), marks_its_run.delay, pause=0.1)
        time.sleep(0.3)
        found = dict(mark for worker in workers for mark in worker.stop().marks)
    return {"ms from enqueue to body, 8 idle workers, p50": _percentile(_waits(sent, found), 50)}


def standalone(ground: Ground) -> dict[str, float]:
    """An idle worker on a server without change streams."""
    with Server(replica_set=0, own=True) as server:
        uri = with_database(server.uri, "bench")
        app = mongojobs.MongoJobs(mongojobs.Settings(uri=uri))
        with app.active():
            app.create_indexes()
            with working(uri) as [worker]:
                time.sleep(_SETTLED_SECONDS * 4)
                begun, used = time.monotonic(), worker.cpu_seconds()
                time.sleep(ground.size(20, least=2))
                share = (worker.cpu_seconds() - used) / (time.monotonic() - begun)
                sent = _send(range(ground.size(60, least=8)), marks_its_run.delay, pause=0.5)
                time.sleep(1)
                found = dict(worker.stop().marks)
        app.close()
    return {
        "ms from enqueue to body, standalone server, p50": _percentile(_waits(sent, found), 50),
        "% of a core, idle on a standalone server": share * 100,
    }


def on_time(ground: Ground) -> dict[str, float]:
    """Scheduled jobs: how late they start."""
    ground.clear()
    due: dict[int, float] = {}
    with working(ground.uri) as [worker]:
        time.sleep(_SETTLED_SECONDS)
        later = marks_its_run.options(run_in=1)
        ahead = time.time() - time.monotonic()

        def enqueue(number: int) -> None:
            due[number] = later.delay(number).run_at.timestamp() - ahead

        _send(range(ground.size(60, least=8)), enqueue, pause=0.1)
        time.sleep(1.5)
        found = dict(worker.stop().marks)
    return {
        "ms late, run_in=1, p95": _percentile([(found[number] - moment) * 1000 for number, moment in due.items()], 95)
    }


def urgent(ground: Ground) -> dict[str, float]:
    """An urgent job behind 100,000 others that are being worked off."""
    ground.clear()
    ground.fill(nothing, ground.size(100_000, least=2000), priority=5)
    with working(ground.uri) as [worker]:
        time.sleep(0.5)
        sent = _send(range(5), marks_its_run.delay, pause=0.1)
        time.sleep(1)
        found = dict(worker.stop().marks)
    waits = [found[number] - moment for number, moment in sent.items()]
    return {"s until an urgent job behind 100k begins": statistics.median(waits)}


def rare(ground: Ground) -> dict[str, float]:
    """Jobs of their own queue, behind 100,000 of another that nobody works on."""
    ground.clear()
    ground.fill(nothing, ground.size(100_000), queue="busy")
    with working(ground.uri, "--queues", "rare") as [worker]:
        time.sleep(_SETTLED_SECONDS)
        begun = time.monotonic()
        marks_its_run.options(queue="rare").delay_many([(number,) for number in range(10)])
        time.sleep(1)
        found = worker.stop().marks
    return {"ms until the first job of a rare queue begins": (min(moment for _, moment in found) - begun) * 1000}


def _beside_a_loop(ground: Ground) -> tuple[list[float], list[float]]:
    """Send one job to an idle worker and one to a loop, in turns; each of the two has a database of its own."""
    ground.clear()
    count = ground.size(200, least=10)
    with _database_beside(ground) as app, working(ground.uri) as [worker]:
        loop = Listener(str(app.settings.uri), count)
        time.sleep(_SETTLED_SECONDS + 1)

        def enqueue_there(number: int) -> None:
            with app.active():
                marks_its_run.delay(number)

        sent, sent_there = {}, {}
        for number in range(count):
            sent |= _send([number], marks_its_run.delay, pause=0.05)
            sent_there |= _send([number], enqueue_there, pause=0.05)
        begun_there = loop.marks()
        begun = dict(worker.stop().marks)
    return _waits(sent, begun), _waits(sent_there, begun_there)


@contextmanager
def _database_beside(ground: Ground) -> Iterator[mongojobs.MongoJobs]:
    """Give the app of a second database, which is dropped afterwards."""
    name = f"{ground.database.name}_bare"
    app = mongojobs.MongoJobs(mongojobs.Settings(uri=with_database(ground.uri, name)))
    app.create_indexes()
    try:
        yield app
    finally:
        app.close()
        ground.database.client.drop_database(name)


def _send(numbers: Iterable[int], enqueue: Callable[[int], object], *, pause: float) -> dict[int, float]:
    """Enqueue jobs of these *numbers*, at random moments; return when each call was begun."""
    sent = {}
    for number in numbers:
        time.sleep(pause * random.uniform(0.5, 1.5))
        sent[number] = time.monotonic()
        enqueue(number)
    return sent


def _waits(sent: Mapping[int, float], begun: Mapping[int, float]) -> list[float]:
    """Return the milliseconds from each call to the body."""
    return [(begun[number] - moment) * 1000 for number, moment in sent.items()]


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
