"""An app for tests of jobs that fork: they note in a file what becomes of the copies."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import mongoengine

from mongojobs import job
from tests.support.fault_app import note

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")

forking = multiprocessing.get_context("fork")


def _wait() -> None:
    while True:
        time.sleep(60)


def _fork(body: Callable[[], object] = _wait) -> int:
    pid = os.fork()
    if pid == 0:
        body()
        os._exit(99)
    return pid


def _start() -> int:
    """Start a program that gets all files that any program can get."""
    return os.posix_spawnp("sleep", ["sleep", "300"], os.environ)


def _status(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _by_fork() -> int:
    pid = _fork()
    os.kill(pid, signal.SIGTERM)
    return _status(pid)


def _by_multiprocessing() -> int:
    process = forking.Process(target=_wait)
    process.start()
    process.terminate()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _by_pool() -> int:
    begun, begins = os.pipe()
    pool = forking.Pool(1)
    pool.apply_async(_sleep_for_long, (begins,))
    os.read(begun, 1)  # one that is idle goes home by itself
    processes = multiprocessing.active_children()
    pool.terminate()
    pool.join()
    assert processes[0].exitcode is not None
    return processes[0].exitcode


def _sleep_for_long(begins: int) -> None:
    os.write(begins, b"!")
    time.sleep(60)


def _by_preexec() -> int:
    process = subprocess.Popen(["sleep", "60"], preexec_fn=os.getpid)  # noqa: PLW1509 - what jobs do
    process.terminate()
    return process.wait()


def _by_interrupt() -> int:
    process = subprocess.Popen(["sleep", "60"])
    process.send_signal(signal.SIGINT)
    return process.wait()


TERMINATIONS = {
    "fork": _by_fork,
    "multiprocessing": _by_multiprocessing,
    "pool": _by_pool,
    "preexec": _by_preexec,
    "interrupt": _by_interrupt,
}


@job
def terminates_its_child(ledger: str, how: str) -> None:
    """End a child at once, and note how it ended."""
    note(ledger, f"child ended with {TERMINATIONS[how]()} by {how}")


@job
def harmless(ledger: str, number: int) -> None:
    note(ledger, f"harmless {number}")


def _raise() -> None:
    raise ValueError("in the copy")


ENDS: dict[str, Callable[[], object]] = {
    "returns": lambda: None,
    "exits": lambda: sys.exit(3),
    "raises": _raise,
}


def _fork_and(end: str, ledger: str) -> None:
    if pid := os.fork():
        note(ledger, f"copy ended with {_status(pid)}, {end}")
        return
    ENDS[end]()


@job(max_attempts=1)
def lets_a_copy_end(ledger: str, end: str) -> None:
    """Fork; the copy ends like a function that knows nothing of it."""
    _fork_and(end, ledger)


@job(max_attempts=1)
async def lets_a_copy_of_the_loop_end(ledger: str, end: str) -> None:
    await asyncio.sleep(0)
    _fork_and(end, ledger)


@job
class LetsACopyEndInAHook:
    """Forks in the hook before the run, and counts the hooks after it."""

    def __init__(self, ledger: str) -> None:
        self.ledger = ledger

    def before(self) -> None:
        _fork_and("returns", self.ledger)

    def perform(self) -> None:
        _fork_and("returns", self.ledger)

    def success(self) -> None:
        note(self.ledger, "success")


@job
def leaves_a_process(ledger: str, how: str, seconds: float = 60) -> None:
    """Leave a process behind, and take so long."""
    pid = _fork() if how == "fork" else _start()
    note(ledger, f"started {pid}")
    threading.Event().wait(seconds)


@job
def leaves_behind(ledger: str, what: str) -> None:
    """Leave something behind that Python waits for at its end."""
    (forking.Process if what == "process" else threading.Thread)(target=_wait).start()
    note(ledger, "left")


@job
def dies_beside_a_process(ledger: str, how: str) -> None:
    """Leave a process behind, and die of a signal."""
    pid = _fork() if how == "fork" else _start()
    note(ledger, f"started {pid}")
    os.kill(os.getpid(), signal.SIGSEGV)
