"""Drains: how fast what lies there is worked off, alone and together, whatever else lies about."""

import statistics
from collections.abc import Callable
from typing import Any

from mongojobs.enqueuing.functions import JobFunction
from tests.bench.app import marks_its_run, nothing, nothing_async, takes_a_second
from tests.bench.ground import Ground
from tests.bench.workers import rate

JOBS = 20_000
_TURNS = 3


def one_worker(ground: Ground) -> dict[str, float]:
    """One worker as it comes, beside the loops without a library; and in other shapes: all in turns, three times."""
    size, few = ground.size(JOBS), ground.size(1000)

    def drain(function: JobFunction[[int], Any], count: int, *arguments: str) -> float:
        ground.fill(function, count)
        return ground.drain(*arguments)

    def loop(way: str, limit: int) -> float:
        ground.fill(nothing, size)
        return ground.loop(way, limit)

    ways: dict[str, Callable[[], float]] = {
        "naive": lambda: loop("naive", few),
        "reference": lambda: loop("reference", size),
        "one": lambda: drain(nothing, size),
        "4 threads": lambda: drain(nothing, size, "--threads", "4"),
        "16 threads": lambda: drain(nothing, size, "--threads", "16"),
        "strict": lambda: drain(nothing, few, "--read-ahead", "0"),
        "2 processes": lambda: rate(ground.drained_together(nothing, size, 2)),
        "4 processes": lambda: rate(ground.drained_together(nothing, size, 4)),
        "async": lambda: drain(nothing_async, size),
    }
    rates = _in_turns(ground, ways)
    one = rates["one"]
    return {
        "drain / naive loop": one / rates["naive"],
        "drain / reference loop": one / rates["reference"],
        **{f"drain, {shape} / 1 thread": rates[shape] / one for shape in rates if shape[0].isdigit()},
        "drain, read_ahead=0 / naive loop": rates["strict"] / rates["naive"],
        **{f"jobs/s, {name}": value for name, value in rates.items()},
    }


def _in_turns(ground: Ground, ways: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Return the median of what each of *ways* gave; a machine that is slow for a while is so for all of them."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_TURNS):
        for name, measure in ways.items():
            ground.clear()
            found[name].append(measure())
    return {name: statistics.median(rates) for name, rates in found.items()}


def executors(ground: Ground) -> dict[str, float]:
    """What a job costs in a child process, beside the same in a thread."""
    size = ground.size(JOBS // 4)
    shapes = {"1 thread": ("thread", "1"), "1 child": ("process", "1"), "2 children": ("process", "2")}
    rates = {}
    for shape, (executor, slots) in shapes.items():
        ground.clear()
        ground.fill(nothing, size)
        rates[shape] = ground.drain("--executor", executor, "--threads", slots)
    return {
        **{f"drain, {shape} / 1 thread": rates[shape] / rates["1 thread"] for shape in ("1 child", "2 children")},
        "ms more for a job in a child": 1000 / rates["1 child"] - 1000 / rates["1 thread"],
        **{f"jobs/s, {shape}": value for shape, value in rates.items()},
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
    notes = ground.drained()
    first, last = notes.completed[:part], notes.completed[-part:]
    return {"last 5k / first 5k of 60k": (first[-1] - first[0]) / (last[-1] - last[0])}


def contention(ground: Ground) -> dict[str, float]:
    """Up to 16 workers, which all begin at one moment; none may run a job that another runs."""
    size = ground.size(JOBS)
    rates, doubles = {}, 0
    for count in (1, 2, 4, 8, 16):
        ground.clear()
        noted = ground.drained_together(marks_its_run, size, count)
        numbers = [number for notes in noted for number, _ in notes.marks]
        doubles += len(numbers) - len(set(numbers))
        rates[count] = rate(noted)
    return {
        "16 workers / best of 1 to 16": rates[16] / max(rates.values()),
        "double runs": doubles,
        **{f"jobs/s, {count} worker(s) at once": value for count, value in rates.items()},
    }


def hoarding(ground: Ground) -> dict[str, float]:
    """Two workers and 40 jobs of a second: nobody may sit on jobs that the other could run."""
    size = ground.size(40, least=8)
    ground.clear()
    noted = ground.drained_together(takes_a_second, size, 2)
    begun = min(min(notes.started) for notes in noted)
    ended = max(moment for notes in noted for _, moment in notes.marks)
    return {"40 jobs of 1 s, 2 workers: last finish / ideal": (ended - begun) / (size / 2)}


def paused(ground: Ground) -> dict[str, float]:
    """A paused queue of 40,000 jobs beside 80,000 of another."""
    limit = ground.size(JOBS)
    ground.clear()
    ground.fill(nothing, ground.size(80_000), queue="busy")
    free = ground.drain(limit=limit)
    ground.clear()
    ground.fill(nothing, ground.size(80_000), queue="busy")
    ground.fill(nothing, ground.size(40_000), queue="asleep", priority=-1)
    ground.pause("asleep")
    return {"40k paused beside 80k / nothing paused": ground.drain(limit=limit) / free}
