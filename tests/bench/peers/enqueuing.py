"""Enqueues by one library: run in its own process, with that library installed.

`python -m tests.bench.peers.enqueuing APP prepare|one|many|spread COUNT` prints how many seconds that took.
"""

import random
import sys
import time
from collections.abc import Callable
from importlib import import_module

_WARM_UP = 10


def main() -> None:
    """Do what the arguments say."""
    name, verb, count = sys.argv[1:]
    app = import_module(name)
    if verb == "prepare":
        app.prepare()
        return
    for _ in range(_WARM_UP if verb != "many" else 0):
        app.enqueue(0.0)
    begun = time.monotonic()
    _VERBS[verb](app.enqueue_many if verb == "many" else app.enqueue, int(count))
    sys.stdout.write(str(time.monotonic() - begun))


def _one(enqueue: Callable[[float], object], count: int) -> None:
    for _ in range(count):
        enqueue(0.0)


def _many(enqueue_many: Callable[[int], object], count: int) -> None:
    enqueue_many(count)


def _spread(enqueue: Callable[[float], object], count: int) -> None:
    """Enqueue at random moments, and tell each job when that was."""
    for _ in range(count):
        time.sleep(random.uniform(0.05, 0.15))
        enqueue(time.monotonic())


_VERBS: dict[str, Callable[..., None]] = {"one": _one, "many": _many, "spread": _spread}

if __name__ == "__main__":
    main()
