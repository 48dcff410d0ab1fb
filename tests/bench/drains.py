"""Drains: how fast what lies there is worked off, alone and together, whatever else lies about."""

import statistics
import time
from datetime import UTC, datetime, timedelta

from tests.bench.app import marks_its_run, nothing, nothing_async, takes_a_second
from tests.bench.ground import Ground
from tests.bench.workers import Worker, rate

JOBS = 20_000


def one_worker(ground: Ground) -> dict[str, float]:
    """One worker as it comes, beside the loops without a library; and in other shapes."""
    size = ground.size(JOBS)
    rates = {}
    for way, limit in (("naive", ground.size(1000)), ("reference", size)):
        ground.clear()
        ground.fill(nothing, size)
        rates[way] = ground.loop(way, limit)
    shapes = {
        "one": (),
        "4 threads": ("--threads", "4"),
        "16 threads": ("--threads", "16"),
        "2 processes": ("--processes", "2"),
        "4 processes": ("--processes", "4"),
        "strict": ("--read-ahead", "0"),
    }
    for shape, arguments in shapes.items():
        ground.clear()
        ground.fill(nothing, ground.size(1000) if shape == "strict" else size)
        count = int(arguments[1]) if "--processes" in arguments else 1
        rates[shape] = ground.drain(*(() if count > 1 else arguments), count=count)
    ground.clear()
    ground.fill(nothing_async, size)
    rates["async"] = ground.drain()
    one = rates["one"]
    return {
        "drain / naive loop": one / rates["naive"],
        "drain / reference loop": one / rates["reference"],
        **{f"drain, {shape} / 1 thread": rates[shape] / one for shape in shapes if shape[0].isdigit()},
        "drain, read_ahead=0 / naive loop": rates["strict"] / rates["naive"],
        **{f"jobs/s, {name}": value for name, value in rates.items()},
    }


def backlogs(ground: Ground) -> dict[str, float]:
    """The same drain with a thousand jobs and with a million, and with jobs of all kinds about."""
    rates = {}
    limit = ground.size(JOBS)
    for backlog in (1000, 10_000, 100_000, 1_000_000):
        ground.clear()
        ground.fill(nothing, ground.size(backlog, least=50))
        rates[f"{backlog:,} ready"] = ground.drain(limit=min(limit, ground.size(backlog, least=50)))
    small = rates["1,000 ready"]
    about = ground.size(100_000)
    for priorities in (1, 100, 1000):
        ground.clear()
        ground.surround(nothing, failed=about, scheduled=about, priorities=min(priorities, about))
        ground.fill(nothing, limit)
        rates[f"{priorities:,} priorities about"] = ground.drain(limit=limit)
    return {
        "drain at 1M ready / at 1k": rates["1,000,000 ready"] / small,
        "drain with failed, future, locked jobs about / at 1k": min(
            value for name, value in rates.items() if name.endswith("about")
        )
        / small,
        **{f"jobs/s, {name}": value for name, value in rates.items()},
    }


def sustained(ground: Ground) -> dict[str, float]:
    """A long drain: whether its end is as fast as its beginning."""
    size = ground.size(60_000, least=200)
    part = size // 12
    ground.clear()
    ground.fill(nothing, size)
    [notes] = ground.drained()
    first, last = notes.completed[:part], notes.completed[-part:]
    return {"last 5k / first 5k of 60k": (first[-1] - first[0]) / (last[-1] - last[0])}


def contention(ground: Ground) -> dict[str, float]:
    """Up to 16 workers, which all begin at one moment; none may run a job that another runs."""
    size = ground.size(JOBS)
    rates, doubles = {}, 0
    for count in (1, 2, 4, 8, 16):
        ground.clear()
        ground.fill(marks_its_run, size, run_at=datetime.now(UTC) + timedelta(seconds=3 + 0.7 * count))
        workers = [Worker(ground.uri) for _ in range(count)]
        while ground.jobs.estimated_document_count():
            time.sleep(0.2)
        noted = [worker.stop() for worker in workers]
        numbers = [number for notes in noted for number, _ in notes.marks]
        doubles += len(numbers) - len(set(numbers))
        rates[count] = rate([notes for notes in noted if notes.started])
    return {
        "16 workers / best of 1 to 16": rates[16] / max(rates.values()),
        "double runs": doubles,
        **{f"jobs/s, {count} worker(s) at once": value for count, value in rates.items()},
    }


def hoarding(ground: Ground) -> dict[str, float]:
    """Two workers and 40 jobs of a second: nobody may sit on jobs that the other could run."""
    size = ground.size(40, least=8)
    ground.clear()
    ground.fill(takes_a_second, size, run_at=datetime.now(UTC) + timedelta(seconds=4))
    workers = [Worker(ground.uri) for _ in range(2)]
    while ground.jobs.count_documents({}):
        time.sleep(0.2)
    noted = [worker.stop() for worker in workers]
    begun = min(min(notes.started) for notes in noted if notes.started)
    ended = max(moment for notes in noted for _, moment in notes.marks)
    return {"40 jobs of 1 s, 2 workers: last finish / ideal": (ended - begun) / (size / 2)}


def paused(ground: Ground) -> dict[str, float]:
    """A paused queue of 40,000 jobs beside 80,000 of another."""
    rates: dict[str, list[float]] = {"nothing": [], "paused": []}
    limit = ground.size(JOBS)
    for what, measured in rates.items():
        ground.clear()
        ground.fill(nothing, ground.size(80_000), queue="busy")
        if what == "paused":
            ground.fill(nothing, ground.size(40_000), queue="asleep", priority=-1)
            ground.pause("asleep")
        measured.append(ground.drain(limit=limit))
    return {
        "40k paused beside 80k / nothing paused": statistics.mean(rates["paused"]) / statistics.mean(rates["nothing"])
    }
