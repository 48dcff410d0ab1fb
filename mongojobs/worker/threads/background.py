"""The threads with which a worker minds its jobs, which do not run any."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable


def background_thread(target: Callable[[], object], name: str) -> threading.Thread:
    """Return a thread that runs *target* in the context of whoever makes it.

    So what a plugin sets around the worker's whole life, as by ``around("execute", ...)``, holds in all of its threads
    but those that run jobs.
    """
    run = contextvars.copy_context().run
    return threading.Thread(target=run, args=(target,), name=name, daemon=True)
