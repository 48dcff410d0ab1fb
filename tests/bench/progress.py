"""What it costs that running jobs say how far they are."""

import secrets
import statistics
import time
from collections.abc import Callable
from datetime import timedelta

import mongojobs
from mongojobs.core.job import Job
from mongojobs.store.jobs import JobStore, QueueSelector
from tests.bench.app import nothing
from tests.bench.ground import Ground
from tests.support.worker_parts import held_of

RUNNING = 100
_TURNS = 3
_LEASE = timedelta(minutes=1)


def progress_cost(ground: Ground) -> dict[str, float]:
    """The processor time, of worker and server, of a renewal of running jobs that all got on, beside a plain one."""
    ground.clear()
    ground.fill(nothing, RUNNING)
    store, rounds = mongojobs.default_app().store, ground.size(100)
    jobs = store.reserve(QueueSelector(), token=secrets.token_hex(12), by="bench", lease=_LEASE, limit=RUNNING)
    held = [held_of(job, clock=store.clock) for job in jobs]
    ratios = []
    for _ in ground.turns(_TURNS):
        plain = _cpu(ground, rounds, lambda: store.renew(jobs, lease=_LEASE))
        telling = _cpu(ground, rounds, lambda: _renew_and_tell(store, [one.job for one in held]))
        ratios.append(telling / plain)
    return {f"renewal of {RUNNING} jobs with progress / without": statistics.median(ratios)}


def _cpu(ground: Ground, rounds: int, action: Callable[[], object]) -> float:
    begun = ground.server_cpu_seconds() + time.process_time()
    for _ in range(rounds):
        action()
    return ground.server_cpu_seconds() + time.process_time() - begun


def _renew_and_tell(store: JobStore, jobs: list[Job]) -> None:
    for job in jobs:
        job.set_progress((job.progress.done if job.progress else 0) + 1, of=40_000, note="a row")
    store.renew([], lease=_LEASE, telling=jobs)
