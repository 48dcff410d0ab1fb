"""Enqueueing, beside the driver's own inserts of the same documents."""

import gc
import time
from collections.abc import Callable

import mongojobs
import mongojobs.testing
from mongojobs.store.documents import to_document
from tests.bench.app import nothing
from tests.bench.ground import Ground

_BLOCK = 20
_TURNS = 5


def enqueues(ground: Ground) -> dict[str, float]:
    """One at a time, and many at once; ours and the driver's in turns."""
    ground.clear()
    single = [to_document(job) for job in _made(ground.size(1000, least=100))]
    ours = theirs = 0.0
    for start in range(0, len(single), _BLOCK):
        block = single[start : start + _BLOCK]
        theirs += _seconds(lambda block=block: [ground.jobs.insert_one(document) for document in block])
        ours += _seconds(lambda block=block: [nothing.delay(number) for number, _ in enumerate(block)])
    many = ground.size(10_000)
    ours_many = theirs_many = 0.0
    for _ in range(_TURNS):
        made = [to_document(job) for job in _made(many)]
        theirs_many += _seconds(lambda made=made: ground.jobs.insert_many(made, ordered=False))
        ours_many += _seconds(lambda: nothing.delay_many([(number,) for number in range(many)]))
    return {
        "enqueue one / insert_one": theirs / ours,
        "delay_many / insert_many": theirs_many / ours_many,
        "enqueues/s, one at a time": len(single) / ours,
        "enqueues/s, delay_many": many * _TURNS / ours_many,
    }


def _made(count: int) -> list[mongojobs.Job]:
    with mongojobs.testing.mode("fake"):
        return nothing.delay_many([(number,) for number in range(count)])


def _seconds(action: Callable[[], object]) -> float:
    """Return how long *action* takes; what others have left for Python's collector is taken away before."""
    gc.collect()
    begun = time.monotonic()
    result = action()
    seconds = time.monotonic() - begun
    del result  # not before: to free ten thousand jobs takes its time
    return seconds
