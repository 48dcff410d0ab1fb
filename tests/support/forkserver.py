"""Starts `mongojobs` by a fork of an interpreter that has imported it, which saves most of what a start costs.

The server is `python -m tests.support.forkserver`, one for each process that runs tests, and as long as that lives.
What it forks is as a shell starts it, but for its parent, which keeps its exit status, and for its command line.
"""

import atexit
import gc
import importlib
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

IMPORTED = ("mongoengine", "mongojobs.app.mongojobs", "mongojobs.cli.main", "mongojobs.worker.worker")
"""What commands import, whatever they do."""

_READ_AT_START = ("PYTHON", "COVERAGE", "LC_", "LANG", "TZ")
"""How variables begin that an interpreter reads as it starts: the server has read its own."""


class Request(NamedTuple):
    """What to start."""

    arguments: Sequence[str]
    environ: Mapping[str, str]
    cwd: Path

    def is_for_a_fork(self) -> bool:
        """Whether a fork does the same as an interpreter of its own."""
        return sys.platform == "linux" and _read_at_start(self.environ) == {"PYTHONPATH": str(ROOT)}


class Forked:
    """A process of the server, with what tests use of `subprocess.Popen`."""

    def __init__(self, request: Request, stdout: int, stderr: int) -> None:
        self._told, theirs = Pipe()
        with theirs, Path(os.devnull).open("rb") as stdin:
            socket.send_fds(_server(), [b"."], [theirs.fileno(), stdin.fileno(), stdout, stderr])
        self._told.send((*request, _umask()))
        self.pid: int = self._told.recv()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status if it has ended, or of the signal that ended it the negative number."""
        if self.returncode is None and self._told.poll():
            self.returncode = self._told.recv()
            self._told.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raises TimeoutExpired."""
        if self.returncode is None:
            self._told.poll(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired("mongojobs", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def run(request: Request, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, and read what it and those that it leaves behind say; raises TimeoutExpired."""
    (output, stdout), (errors, stderr) = os.pipe(), os.pipe()
    process = Forked(request, stdout, stderr)
    os.close(stdout)
    os.close(stderr)
    with ThreadPoolExecutor(2) as readers:
        said = [readers.submit(_read, end) for end in (output, errors)]
        try:
            status = process.wait(seconds)
            texts = [one.result(seconds) for one in said]
        except (TimeoutError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(["mongojobs", *request.arguments], status, *texts)


def _read(end: int) -> str:
    with open(end, encoding="utf-8") as stream:
        return stream.read()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _read_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_READ_AT_START)}


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(theirs.fileno())],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def serve(control: socket.socket) -> tuple[Request, Sequence[int]]:
    """Fork whatever is asked for; return in each fork, with what it is to become and its standard files."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while ends := socket.recv_fds(control, 1, 4)[1]:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            return _keep(Connection(ends[0]), ends[1:])
        for end in ends:
            os.close(end)
    sys.exit()


def _keep(told: Connection, standard: Sequence[int]) -> tuple[Request, Sequence[int]]:
    """Fork once more, and tell how that ended; return in the fork."""
    *request, umask = told.recv()
    os.umask(umask)
    begun, its_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        told.close()
        os.setsid()
        os.close(its_end)
        os.close(begun)
        return Request(*request), standard
    for end in (*standard, its_end):
        os.close(end)
    os.read(begun, 1)  # until it leads its group: a signal to that would reach nobody
    os.close(begun)
    told.send(pid)
    told.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def become(request: Request, standard: Sequence[int]) -> None:
    """Go on as `python -m mongojobs`."""
    for number, end in enumerate(standard):
        os.dup2(end, number)
        os.close(end)
    os.environ.clear()
    os.environ.update(request.environ)
    os.chdir(request.cwd)
    sys.path[0] = str(request.cwd)
    sys.argv[1:] = request.arguments
    runpy.run_module("mongojobs", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    become(*serve(socket.socket(fileno=int(sys.argv[1]))))
