"""A web process as gunicorn makes it with ``preload_app``: it connects, enqueues, forks, and all enqueue at once.

python -m tests.support.preforked_app CHILDREN THREADS

With UNTOLD in the environment it forks as uWSGI does, without telling Python.
"""

import ctypes
import os
import signal
import sys
import threading

import mongoengine

from tests.support.sample_app import append

PER_PROCESS = 5
LONGEST_CHILD_SECONDS = 20


def enqueue_some(who: str) -> None:
    for number in range(PER_PROCESS):
        append.delay(who, str(number))


def child(number: int) -> None:
    """Enqueue as a forked web process; killed by a signal if that hangs."""
    signal.alarm(LONGEST_CHILD_SECONDS)
    status = 1
    try:
        enqueue_some(f"child{number}")
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def fork(number: int) -> int:
    pid: int = ctypes.PyDLL(None).fork() if "UNTOLD" in os.environ else os.fork()
    if pid == 0:
        child(number)
    return pid


def main(children: int, threads: int) -> int:
    """Return how many children ended with an error."""
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")
    enqueue_some("parent before")
    over = threading.Event()
    busy = [threading.Thread(target=_enqueue_until, args=(over,)) for _ in range(threads)]
    for thread in busy:
        thread.start()
    pids = [fork(number) for number in range(children)]
    enqueue_some("parent after")
    statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    over.set()
    for thread in busy:
        thread.join()
    return sum(status != 0 for status in statuses)


def _enqueue_until(over: threading.Event) -> None:
    while not over.is_set():
        append.delay("thread", "busy")


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
