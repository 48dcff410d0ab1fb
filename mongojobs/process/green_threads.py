"""Green threads, as after monkey patching by gevent or eventlet: a worker cannot run on them."""

from __future__ import annotations

import _thread
import os
import queue
import select
import socket
import subprocess
from typing import Final

from mongojobs.core.errors import ConfigurationError

_PATCHERS: Final = ("gevent", "eventlet")


def green_threads() -> str:
    """Return why no worker can run in this process if something it or its children need is patched, else nothing.

    Threads then take turns by themselves, and wait for a job that does not let go: nobody could time it out or keep its
    lock alive, and no signal would be heard. Sockets that are patched alone cannot go from one real thread to another,
    as those of the driver do; nor are queues and processes that are patched to be waited for in any thread.
    """
    needed = (_thread.start_new_thread, socket.socket, select.select, queue.SimpleQueue, subprocess.Popen, os.fork)
    names = {one.__module__.partition(".")[0] for one in needed}
    patcher = next((name for name in _PATCHERS if name in names), None)
    if patcher is None:
        return ""
    return (
        f"{patcher} has patched the threads, sockets, queues or subprocesses of this process, and a worker needs real"
        " ones: else no job is timed out, no lock is kept alive beside a job that computes, and TERM is not heard."
        f" Patch in a module that the web server loads and the worker does not; gunicorn --worker-class {patcher} does"
        " it by itself"
    )


def refuse_green_threads() -> None:
    """Raise ConfigurationError if something that a worker needs is patched."""
    if why := green_threads():
        raise ConfigurationError(why)
