"""Jobs that show how a worker runs them: how many at once, in which threads, alongside which others."""

import asyncio
import itertools
import threading
import time
from dataclasses import dataclass
from typing import Any

from mongojobs import Discard, Job, Snooze, current_job, job


class Crowd:
    """Counts who is there at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self.names: list[str] = []
        self.most = 0
        self.ended = 0
        self.beside: dict[str, list[str]] = {}

    def enter(self, name: str) -> None:
        with self._lock:
            for other in self.names:
                self.beside.setdefault(other, []).append(name)
                self.beside.setdefault(name, []).append(other)
            self.names.append(name)
            self.most = max(self.most, len(self.names))

    def leave(self, name: str) -> None:
        with self._lock:
            self.names.remove(name)
            self.ended += 1


crowd = Crowd()
async_crowd = Crowd()
runs: list[Any] = []
"""What each run of a job that counts was called with."""
left: list[object] = []
"""What jobs leave behind, so that it is not thrown away."""
gates: dict[str, threading.Event] = {}
"""What `passes` waits for, by name; made by the test."""


@job
def stays(name: str, seconds: float) -> None:
    crowd.enter(name)
    threading.Event().wait(seconds)
    crowd.leave(name)


@job
def stays_until(name: str, gate: str) -> None:
    """Stay until a gate is opened."""
    crowd.enter(name)
    gates[gate].wait()
    crowd.leave(name)


@job
async def stays_async(name: str, seconds: float) -> None:
    async_crowd.enter(name)
    await asyncio.sleep(seconds)
    async_crowd.leave(name)


@job
def counts(number: int) -> None:
    runs.append(number)


@job(backoff="1h")
def fails(number: int) -> None:
    raise ValueError(f"no luck with {number}")


ENDS: dict[str, tuple[type[Exception], object]] = {
    "fails": (ValueError, "no luck"),
    "snoozes": (Snooze, 3600),
    "discards": (Discard, "no use"),
}


@job(backoff="1h")
def ends_as_told(number: int, how: str) -> None:
    """End in one of the ways in which a run can: as one of ``ENDS``, or well."""
    runs.append(number)
    if how in ENDS:
        error, argument = ENDS[how]
        raise error(argument)


@job
async def counts_async(number: int) -> None:
    runs.append(number)


@job
def tells_when() -> None:
    runs.append(time.time())


@job
def passes(name: str) -> None:
    """Wait at a gate until it is opened, or the worker stops."""
    this = current_job()
    assert this is not None
    runs.append(name)
    while not (gates[name].wait(0.01) or this.stopping):
        pass


@job(max_run_time=0.2)
async def overstays_async() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        runs.append("cleaned up")


@job
@dataclass
class AwaitedWithHooks:
    """Notes in which thread, and as which job, its hooks and its coroutine run."""

    def before(self, job: Job) -> None:
        _note("before")

    async def perform(self) -> None:
        await asyncio.sleep(0.01)
        _note("perform")

    def success(self, job: Job) -> None:
        _note("success")

    def after(self, job: Job) -> None:
        _note("after")


def _note(where: str) -> None:
    running = current_job()
    runs.append((where, threading.current_thread().name, running and running.id))


@job
def notices_its_loss() -> None:
    """End when the lock is lost; in a second run at once."""
    this = current_job()
    assert this is not None
    runs.append("began")
    deadline = time.monotonic() + 20
    while this.fence == 1 and not this.lost and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    runs.append("lost" if this.lost else "ended")


@job
async def blocks_the_loop(seconds: float) -> None:
    runs.append("blocks")
    threading.Event().wait(seconds)
    runs.append("blocked")


@job
async def blocks_the_loop_in_c(steps: int) -> None:
    """Hold the interpreter's lock as well."""
    runs.append("blocks")
    sum(itertools.repeat(0, steps))
    runs.append("blocked")


@job(max_run_time=0.5, max_attempts=1)
async def takes_little(number: int) -> None:
    await asyncio.sleep(0.05)
    runs.append(number)


@job(max_run_time=0.5, max_attempts=1)
async def blocks_for_too_long(seconds: float) -> None:
    threading.Event().wait(seconds)


@job
async def leaves_a_task_that_blocks(seconds: float) -> None:
    async def block() -> None:
        runs.append("blocks")
        threading.Event().wait(seconds)

    left.append(asyncio.create_task(block()))
