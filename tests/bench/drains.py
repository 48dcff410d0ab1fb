"""Drains: how fast a backlog is worked off, by one worker and by many."""

import operator
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from mongojobs.enqueuing.functions import JobFunction
from tests.bench.app import MILLISECOND, marks_its_run, nothing, nothing_async, takes_a_second, waits_a_millisecond
from tests.bench.ground import Ground
from tests.bench.records import rate

JOBS = 20_000
_TURNS = 3
_TURNS_OF_PROCESSES = 5


def one_worker(ground: Ground) -> dict[str, float]:
    """One worker with default settings, beside loops without a library, and with more threads; three times in turns."""
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


def processes(ground: Ground) -> dict[str, float]:
    """One, two and four processes that all begin at one moment, five times in turns; of two the worst counts.

    What the cores have for them is how many jobs a second their time is enough for, at what a job costs the processes
    and the server.
    """
    size, cores = ground.size(JOBS), os.cpu_count() or 1
    rates: dict[int, list[float]] = {1: [], 2: [], 4: []}
    shares: dict[int, list[float]] = {1: [], 2: [], 4: []}
    for _ in ground.turns(_TURNS_OF_PROCESSES):
        for count, found in rates.items():
            ground.clear()
            workers = ground.drained_together(nothing, size, count)
            found.append(rate(workers))
            shares[count].append(found[-1] * sum(one.cpu_seconds for one in workers) / size / cores)
    return {
        "drain, 2 processes / 1 process, least of five": min(map(operator.truediv, rates[2], rates[1])),
        "drain, 4 processes / 1 process": statistics.median(map(operator.truediv, rates[4], rates[1])),
        "drain, 2 processes / what the cores have for them": statistics.median(shares[2]),
        "drain, 1 process / what the cores have for it": statistics.median(shares[1]),
        **{f"jobs/s, {count} process(es) at once": statistics.median(found) for count, found in rates.items()},
    }


def waits(ground: Ground) -> dict[str, float]:
    """Jobs that wait a millisecond each, beside as many bare threads that do nothing else; and with all on one core."""
    size = ground.size(JOBS)
    ideal, rates, bound = [], [], []
    for _ in ground.turns(_TURNS):
        ground.clear()
        ground.fill(waits_a_millisecond, size)
        ideal.append(_bare_waits(size, threads=16))
        rates.append(ground.drain("--threads", "16"))
        ground.fill(waits_a_millisecond, size)
        with _on_one_core():
            bound.append(ground.drain("--threads", "16"))
    return {
        "jobs that wait 1 ms, 16 threads / ideal": statistics.median(map(operator.truediv, rates, ideal)),
        "jobs that wait 1 ms, 16 threads on one core / ideal": statistics.median(map(operator.truediv, bound, ideal)),
        "jobs/s that wait 1 ms, 16 threads": statistics.median(rates),
        "waits/s of 1 ms, 16 bare threads": statistics.median(ideal),
    }


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Let processes that are started inside stay on one core; the server has all."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _bare_waits(count: int, *, threads: int) -> float:
    """Return how many waits a second bare threads do."""
    each = count // threads + 1

    def wait(_thread: int) -> None:
        for _ in range(each):
            time.sleep(MILLISECOND)

    with ThreadPoolExecutor(threads) as pool:
        begun = time.monotonic()
        list(pool.map(wait, range(threads)))
        return each * threads / (time.monotonic() - begun)


def _in_turns(ground: Ground, ways: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Return the median of what each of *ways* gave; a machine that is slow for a while is so for all of them."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in ground.turns(_TURNS):
        for name, measure in ways.items():
            ground.clear()
            found[name].append(measure())
    return {name: statistics.median(rates) for name, rates in found.items()}


def executors(ground: Ground) -> dict[str, float]:
    """What a job costs in a child process, beside the same in a thread."""
    size = ground.size(JOBS // 2)

    def drain(executor: str, slots: int) -> float:
        ground.fill(nothing, size)
        return ground.drain("--executor", executor, "--threads", str(slots))

    shapes = {"1 thread": ("thread", 1), "1 child": ("process", 1), "2 children": ("process", 2)}
    rates = _in_turns(ground, {name: partial(drain, *shape) for name, shape in shapes.items()})
    return {
        "drain, executor process / executor thread": rates["1 child"] / rates["1 thread"],
        "drain, executor process, 2 children / 1 thread": rates["2 children"] / rates["1 thread"],
        "ms more for a job in a child": 1000 / rates["1 child"] - 1000 / rates["1 thread"],
        **{f"jobs/s, {shape}": value for shape, value in rates.items() if shape != "1 thread"},
    }


def sustained(ground: Ground) -> dict[str, float]:
    """A long drain: whether it ends as fast as it begins."""
    size = ground.size(60_000, least=200)
    part = size // 12
    ground.clear()
    ground.fill(nothing, size)
    moments = ground.drained().completed
    first, last = moments[:part], moments[-part:]
    return {"last 5k / first 5k of 60k": (first[-1] - first[0]) / (last[-1] - last[0])}


def contention(ground: Ground) -> dict[str, float]:
    """Up to 16 workers, which all begin at one moment; none may run a job that another runs."""
    size = ground.size(JOBS)
    rates, doubles = {}, 0
    for count in (1, 2, 4, 8, 16):
        ground.clear()
        workers = ground.drained_together(marks_its_run, size, count)
        numbers = [number for worker in workers for number, _ in worker.marks]
        doubles += len(numbers) - len(set(numbers))
        rates[count] = rate(workers)
    return {
        "16 workers / best of 1 to 16": rates[16] / max(rates.values()),
        "double runs": doubles,
        **{f"jobs/s, {count} worker(s) at once": value for count, value in rates.items()},
    }


def hoarding(ground: Ground) -> dict[str, float]:
    """Two workers and 40 jobs of a second: nobody may sit on jobs that the other could run."""
    size = ground.size(40, least=8)
    ground.clear()
    jobs_a_second = rate(ground.drained_together(takes_a_second, size, 2))
    return {"40 jobs of 1 s, 2 workers: last finish / ideal": 2 / jobs_a_second}
