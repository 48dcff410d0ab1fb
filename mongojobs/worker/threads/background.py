"""The threads with which a worker looks after its jobs without running any."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Mapping


def start_threads(targets: Mapping[str, Callable[[], object]]) -> list[threading.Thread]:
    """Start a ``background_thread`` for each of *targets*, by name, and return them."""
    threads = [background_thread(target, name) for name, target in targets.items()]
    for thread in threads:
        thread.start()
    return threads


def background_thread(target: Callable[[], object], name: str) -> threading.Thread:
    """Return a thread that runs *target* in the context of its creator.

    So what a plugin sets around the worker's whole life, as by ``around("execute", ...)``, holds in all of its threads
    but those that run jobs.
    """
    run = contextvars.copy_context().run
    return threading.Thread(target=run, args=(target,), name=name, daemon=True)


def join_all(threads: Iterable[threading.Thread], timeout: float) -> bool:
    """Wait up to *timeout* seconds for those of *threads* that were started; False if some have not ended by then."""
    deadline = time.monotonic() + timeout
    started = [thread for thread in threads if thread.is_alive()]
    for thread in started:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return not any(thread.is_alive() for thread in started)
