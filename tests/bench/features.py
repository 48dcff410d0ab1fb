"""What unique keys and schedules cost those who use them, and what those pay who do not."""

import gc
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mongojobs.enqueuing.functions import JobFunction
from tests.bench import app
from tests.bench.app import nothing, nothing_once
from tests.bench.ground import Ground
from tests.bench.workers import working
from tests.support.command_line import ROOT, clean_environ

_TURNS = 3
_BLOCK = 20
_SCHEDULES = 200
_SETTLING = 3
_ENQUEUEING = """
import sys, time
from tests.bench.app import nothing
nothing.delay(0)
begun = time.process_time()
for number in range(int(sys.argv[1])):
    nothing.delay(number)
print((time.process_time() - begun) / int(sys.argv[1]) * 1e6)
"""


def keys(ground: Ground) -> dict[str, float]:
    """Jobs with a unique key beside jobs without, in turns: enqueued one by one, many at once, and drained."""
    ground.clear()
    numbers, used = itertools.count(), dict.fromkeys((nothing, nothing_once), 0.0)
    for _ in range(ground.size(50, least=5)):
        for function in used:
            block = [next(numbers) for _ in range(_BLOCK)]
            used[function] += _cpu_seconds(
                lambda function=function, block=block: [function.delay(one) for one in block]
            )
    many, rates = dict.fromkeys(used, 0.0), dict[JobFunction[[int], None], list[float]]()
    for function in [*used] * len(ground.turns(_TURNS)):
        ground.clear()
        calls = [(next(numbers),) for _ in range(ground.size(20_000, least=500))]
        gc.collect()
        many[function] += _cpu_seconds(lambda function=function, calls=calls: function.delay_many(calls))
        rates.setdefault(function, []).append(ground.drain())
    return {
        "CPU of an enqueue, with a unique key / without": used[nothing_once] / used[nothing],
        "CPU of delay_many, with unique keys / without": many[nothing_once] / many[nothing],
        "drain, with unique keys / without": statistics.median(rates[nothing_once]) / statistics.median(rates[nothing]),
    }


def schedules(ground: Ground) -> dict[str, float]:
    """A worker that declares schedules, none of which is due, beside one that declares none."""
    idle, busy = _by_turns(ground, lambda count: _cost_of_worker(ground, int(count)), ("0", str(_SCHEDULES)))
    return {
        "% of a core, idle, 200 schedules declared": idle[1],
        "CPU of a job, 200 schedules declared / none": busy[1] / busy[0],
    }


def before(ground: Ground) -> dict[str, float]:
    """Jobs without a key, and no schedules, beside the code in another folder: one from before there were any."""
    if ground.before is None:
        return {}
    jobs, enqueues = _by_turns(ground, lambda root: _cost_in(ground, Path(root)), (str(ground.before), str(ROOT)))
    return {
        "CPU of a job / before": jobs[1] / jobs[0],
        "CPU of an enqueue / before": enqueues[1] / enqueues[0],
    }


def _by_turns(
    ground: Ground, measure: Callable[[str], tuple[float, float]], ways: Iterable[str]
) -> tuple[list[float], list[float]]:
    """Return the medians of the first and of the second figure of each way."""
    found = [[measure(way) for way in ways] for _ in ground.turns(_TURNS)]
    first, second = ([[turn[which] for turn in turns] for turns in zip(*found, strict=True)] for which in (0, 1))
    return list(map(statistics.median, first)), list(map(statistics.median, second))


def _cost_of_worker(ground: Ground, count: int) -> tuple[float, float]:
    """Return what share of a core an idle worker takes that declares this many schedules, and what a job costs it."""
    ground.clear()
    seconds, jobs = ground.size(10, least=2), ground.size(20_000, least=200)
    with working(ground.uri, environ={app.SCHEDULES: str(count)}) as [worker]:
        time.sleep(_SETTLING)
        used = worker.cpu_seconds()
        time.sleep(seconds)
        idle = (worker.cpu_seconds() - used) / seconds
        ground.fill(nothing, jobs)
        while ground.jobs.estimated_document_count():
            time.sleep(0.1)
        time.sleep(1)
        return idle * 100, (worker.cpu_seconds() - used) / jobs


def _cost_in(ground: Ground, root: Path) -> tuple[float, float]:
    """Return the processor time of a job and of an enqueue, with the code that is in *root*."""
    few, many = ground.size(2000), ground.size(22_000, least=500)
    small, large = (_cpu_of_drain(ground, root, count) for count in (few, many))
    command = [sys.executable, "-c", _ENQUEUEING, str(ground.size(2000))]
    environ = clean_environ({"MONGODB_URI": ground.uri})
    told = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=True)
    return (large - small) / (many - few), float(told.stdout)


def _cpu_of_drain(ground: Ground, root: Path, count: int) -> float:
    ground.clear()
    ground.fill(nothing, count)
    return ground.drained(root=root).cpu_seconds


def _cpu_seconds(action: Callable[[], object]) -> float:
    """Return the processor time that this thread takes for *action*: the server's answers cost others."""
    begun = time.thread_time()
    result = action()
    seconds = time.thread_time() - begun
    del result
    return seconds
