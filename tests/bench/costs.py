"""What a job costs, what an idle worker costs, and how long it takes to start."""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.bench import app
from tests.bench.app import marks_its_run, nothing
from tests.bench.ground import Ground
from tests.bench.workers import Worker, memory_mib, working
from tests.support.command_line import ROOT, clean_environ

_TURNS = 3
_DAY_MILLISECONDS = 24 * 60 * 60 * 1000
_WAIT = "import time, {module}; print(flush=True); time.sleep(600)"


def job_cost(ground: Ground) -> dict[str, float]:
    """The processor time that a job costs worker and server; by the difference of two drains, as both have to start."""
    few, many = ground.size(2000), ground.size(22_000, least=500)
    found: dict[str, list[float]] = {}
    for _ in ground.turns(_TURNS):
        for log, through in {"a file": (), "a pipe": ("cat",)}.items():
            small, large = (_cpu_of_drain(ground, count, through) for count in (few, many))
            worker, server = ((more - less) / (many - few) * 1e6 for less, more in zip(small, large, strict=True))
            found.setdefault(f"us of CPU a job, worker with its log to {log}", []).append(worker)
            found.setdefault("us of CPU a job, server", []).append(server)
    return {name: statistics.median(values) for name, values in found.items()}


def result_cost(ground: Ground) -> dict[str, float]:
    """The same for a job whose result is kept, worker and server together, beside a plain one."""
    few, many = ground.size(2000), ground.size(12_000, least=500)
    kept: dict[str, Any] = {"keep_result": _DAY_MILLISECONDS}
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in ground.turns(_TURNS):
        for keeps, spent in found.items():
            small, large = (sum(_cpu_of_drain(ground, count, **kept if keeps else {})) for count in (few, many))
            spent.append(large - small)
    return {"CPU of a job that keeps its result / a plain job": statistics.median(found[True]) / _middle(found[False])}


def _middle(values: Sequence[float]) -> float:
    """Return their median; not 0, as a few short runs may take no time at all."""
    return statistics.median(values) or 1e-6


def _cpu_of_drain(ground: Ground, count: int, through: Sequence[str] = (), **changes: Any) -> tuple[float, float]:
    """Return the processor seconds that a worker and the server use for this many jobs, with *changes* of fields."""
    ground.clear()
    ground.fill(nothing, count, **changes)
    before = ground.server_cpu_seconds()
    ended = ground.drained(through=through)
    return ended.cpu_seconds, ground.server_cpu_seconds() - before


def idle_cost(ground: Ground) -> dict[str, float]:
    """A minute without jobs, and the memory after some."""
    ground.clear()
    ground.fill(nothing, ground.size(20_000))
    with working(ground.uri) as [worker]:
        while ground.jobs.estimated_document_count():
            time.sleep(0.1)
        time.sleep(2)
        begun, used = time.monotonic(), worker.cpu_seconds()
        time.sleep(ground.size(60, least=3))
        seconds = time.monotonic() - begun
        share = (worker.cpu_seconds() - used) / seconds
        memory = worker.memory_mib()
        worker.stop()
    ground.clear()
    with working(ground.uri) as [first]:
        time.sleep(2)
        short = first.stop().commands
    with working(ground.uri) as [second]:
        time.sleep(2 + seconds)
        long = second.stop().commands
    return {
        "% of a core, idle": share * 100,
        "commands/s, idle": (sum(long.values()) - sum(short.values())) / seconds,
        "MiB above the bare app": memory - _bare_memory(ground),
    }


def beginnings(ground: Ground) -> dict[str, float]:
    """How long the command line takes to help, and a worker to begin its first job."""
    ground.clear()
    helps = [_seconds_to_help() for _ in range(7)]
    begun = time.monotonic()
    marks_its_run.delay(1)
    worker = Worker(ground.uri, "--exit-on-complete")
    [(_, moment)] = worker.end().marks
    return {
        "ms, mongojobs --help": statistics.median(helps) * 1000,
        "ms until a new worker begins a job": (moment - begun) * 1000,
    }


def _seconds_to_help() -> float:
    begun = time.monotonic()
    command = [sys.executable, "-m", "mongojobs", "--help"]
    subprocess.run(command, cwd=ROOT, env=clean_environ({}), capture_output=True, check=True)
    return time.monotonic() - begun


def _bare_memory(ground: Ground) -> float:
    """Return the memory of a process that has imported the app, and connected."""
    command = [sys.executable, "-c", _WAIT.format(module=app.__name__)]
    environ = clean_environ({"MONGODB_URI": ground.uri})
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        memory = memory_mib(process.pid)
        process.kill()
    return memory
