"""What enqueues that are awaited cost the event loop of a web process."""

import asyncio
import selectors
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any

from tests.bench.app import nothing
from tests.bench.ground import Ground

_RATE = 200
_TURNS = 5
_STEP_SECONDS = 0.001
HELD_UP = "ms that 200 awaited enqueues/s hold up their event loop, p99, beyond an idle one's"
LOOP_CPU = "us of its event loop's CPU an awaited enqueue"


def event_loop(ground: Ground) -> dict[str, float]:
    """How late a task wakes up each millisecond, and the loop's CPU, with enqueues and with tasks that do nothing.

    The loop waits by `select`: with `epoll` asyncio rounds the rest of a wait up to a whole millisecond whenever
    anything else happens, so that any task is late by up to that.
    """
    ground.clear()
    count = ground.size(1000, least=50)
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(nothing.adelay(0))  # connects
        found = [
            (runner.run(_measured(count, _nothing)), runner.run(_measured(count, nothing.adelay)))
            for _ in range(_TURNS)
        ]
    return {
        HELD_UP: statistics.median(busy[0] - idle[0] for idle, busy in found) * 1e3,
        LOOP_CPU: statistics.median(busy[1] - idle[1] for idle, busy in found) / count * 1e6,
    }


async def _nothing(_number: int) -> None:
    pass


async def _measured(count: int, do: Callable[[int], Coroutine[Any, Any, object]]) -> tuple[float, float]:
    """Return the lateness that 99 of 100 wakings do not exceed, and the processor time of the loop's thread."""
    late: list[float] = []
    watching = asyncio.create_task(_watch(late))
    used = time.thread_time()
    await _do(do, count)
    used = time.thread_time() - used
    watching.cancel()
    return statistics.quantiles(late, n=100)[-1], used


async def _watch(late: list[float]) -> None:
    while True:
        due = time.perf_counter() + _STEP_SECONDS
        await asyncio.sleep(_STEP_SECONDS)
        late.append(time.perf_counter() - due)


async def _do(do: Callable[[int], Coroutine[Any, Any, object]], count: int) -> None:
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(do(number))
            await asyncio.sleep(max(0.0, begun + (number + 1) / _RATE - time.perf_counter()))
