"""Latencies: from the call of ``delay`` to the first line of the job's body."""

import random
import statistics
import time
from collections.abc import Callable

import mongojobs
from tests.bench.app import marks_its_run, nothing
from tests.bench.ground import Ground
from tests.bench.workers import working
from tests.support.mongod import Server, with_database

_SETTLED_SECONDS = 1.5
"""After so long a worker without jobs listens."""


def idle(ground: Ground) -> dict[str, float]:
    """Idle workers that listen to a change stream."""
    one = _latencies(ground, count=1)
    eight = _latencies(ground, count=8)
    return {
        "ms from enqueue to body, p50": _percentile(one, 50),
        "ms from enqueue to body, p95": _percentile(one, 95),
        "ms from enqueue to body, 8 idle workers, p50": _percentile(eight, 50),
    }


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
                sent = _send(ground.size(60, least=8), marks_its_run.delay, pause=0.5)
                time.sleep(1)
                found = dict(worker.stop().marks)
        app.close()
    waits = [(found[number] - moment) * 1000 for number, moment in sent.items()]
    return {
        "ms from enqueue to body, standalone server, p50": _percentile(waits, 50),
        "% of a core, idle on a standalone server": share * 100,
    }


def on_time(ground: Ground) -> dict[str, float]:
    """Jobs of the future: how late they begin."""
    ground.clear()
    due: dict[int, float] = {}
    with working(ground.uri) as [worker]:
        time.sleep(_SETTLED_SECONDS)
        later = marks_its_run.options(run_in=1)
        ahead = time.time() - time.monotonic()

        def enqueue(number: int) -> None:
            due[number] = later.delay(number).run_at.timestamp() - ahead

        _send(ground.size(60, least=8), enqueue, pause=0.1)
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
        sent = _send(5, marks_its_run.delay, pause=0.1)
        time.sleep(1)
        found = dict(worker.stop().marks)
    waits = [found[number] - moment for number, moment in sent.items()]
    return {"s until an urgent job behind 100k begins": statistics.median(waits)}


def rare(ground: Ground) -> dict[str, float]:
    """Jobs of a queue of their own, behind 100,000 of another that nobody works on."""
    ground.clear()
    ground.fill(nothing, ground.size(100_000), queue="busy")
    with working(ground.uri, "--queues", "rare") as [worker]:
        time.sleep(_SETTLED_SECONDS)
        begun = time.monotonic()
        marks_its_run.options(queue="rare").delay_many([(number,) for number in range(10)])
        time.sleep(1)
        found = worker.stop().marks
    return {"ms until the first job of a rare queue begins": (min(moment for _, moment in found) - begun) * 1000}


def _latencies(ground: Ground, *, count: int) -> list[float]:
    ground.clear()
    with working(ground.uri, count=count) as workers:
        time.sleep(_SETTLED_SECONDS + count / 4)
        sent = _send(ground.size(200, least=10), marks_its_run.delay, pause=0.1)
        time.sleep(0.3)
        found = dict(mark for worker in workers for mark in worker.stop().marks)
    return [(found[number] - moment) * 1000 for number, moment in sent.items()]


def _send(count: int, enqueue: Callable[[int], object], *, pause: float) -> dict[int, float]:
    """Enqueue so many jobs, at random moments; return when each call was begun."""
    sent = {}
    for number in range(count):
        time.sleep(pause * random.uniform(0.5, 1.5))
        sent[number] = time.monotonic()
        enqueue(number)
    return sent


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
