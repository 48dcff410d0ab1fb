"""`mongojobs` as a separate process, in its own process group, as a shell starts it."""

import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import Signals
from typing import Any, BinaryIO

from click.testing import CliRunner, Result

from tests.support import forkserver
from tests.support.forkserver import Forked, Request
from tests.support.waiting import eventually

ROOT = forkserver.ROOT

SAMPLE_APP = "tests.support.sample_app"

COVERAGE = "COVERAGE_PROCESS_CONFIG"
"""The environment variable by which coverage measures processes that are started."""


class Process:
    """A running command; its standard output is in `output`, its standard error in `errors`."""

    def __init__(self, *arguments: str, folder: Path, environ: Mapping[str, str], cwd: Path = ROOT) -> None:
        self._output = folder / "stdout"
        self._errors = folder / "stderr"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = _start(Request(arguments, clean_environ(environ), cwd), output, errors)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    @property
    def errors(self) -> str:
        return self._errors.read_text(encoding="utf-8")

    def says(self, text: str, times: int = 1) -> None:
        """Return once *text* stands in the output this many *times*; fail at once when the process ends without."""

        def is_said() -> bool:
            has_ended = self.process.poll() is not None
            if self.output.count(text) >= times:
                return True
            if has_ended:
                raise AssertionError(f"ended without saying {text!r}:\n{self.output}\n{self.errors}")
            return False

        eventually(is_said)

    def send(self, number: Signals) -> None:
        self.process.send_signal(number)

    def send_to_group(self, number: Signals) -> None:
        """Do as a terminal does at Ctrl-C, and as Heroku does with TERM."""
        os.killpg(self.process.pid, number)

    def send_to_all(self, number: Signals) -> None:
        """Do as platforms do that send a signal to every process."""
        for pid in [self.pid, *self.descendants()]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait(self, seconds: float = 20) -> int:
        """Return the exit status."""
        return self.process.wait(seconds)

    def group(self) -> list[int]:
        """Return the ids of the living processes of the group."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
        found = [line.split() for line in listed.stdout.splitlines()]
        return [int(pid) for pid, group, state in found if int(group) == self.pid and not state.startswith("Z")]

    def descendants(self) -> list[int]:
        """Return the ids of its living descendants, whatever their process groups."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
        found = [line.split() for line in listed.stdout.splitlines()]
        parents = {int(pid): int(parent) for pid, parent, state in found if not state.startswith("Z")}
        family = {self.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return sorted(family - {self.pid})

    def end(self) -> None:
        """Leave nothing of it behind."""
        with suppress(ProcessLookupError, PermissionError):  # of zombies alone, macOS says that it is not permitted
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _start(request: Request, stdout: BinaryIO, stderr: BinaryIO) -> subprocess.Popen[bytes] | Forked:
    if request.is_for_a_fork():
        return Forked(request, stdout.fileno(), stderr.fileno())
    return subprocess.Popen(
        [sys.executable, "-m", "mongojobs", *request.arguments],
        cwd=request.cwd,
        env=request.environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def run(*arguments: str, environ: Mapping[str, str] = {}, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    request = Request(arguments, clean_environ(environ), cwd)
    if request.is_for_a_fork():
        return forkserver.run(request, 60)
    return subprocess.run(
        [sys.executable, "-m", "mongojobs", *arguments],
        cwd=cwd,
        env=request.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class _Both(Result):
    """A result of click 8.1, which keeps the outputs apart, with the `output` that later versions give it."""

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


class _OldRunner(CliRunner):
    """The runner of click 8.1."""

    def __init__(self) -> None:
        apart: dict[str, Any] = {"mix_stderr": False}
        super().__init__(**apart)

    def invoke(self, *arguments: Any, **named: Any) -> Result:
        result = super().invoke(*arguments, **named)
        result.__class__ = _Both
        return result


def runner() -> CliRunner:
    """Return what runs a command in this process; of its result, `stdout` and `stderr` are apart, `output` is both."""
    return _OldRunner() if "mix_stderr" in inspect.signature(CliRunner).parameters else CliRunner()


def run_without_reader(*arguments: str, environ: Mapping[str, str]) -> str:
    """Run a command whose standard output is no longer read, and return its standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "mongojobs", *arguments],
        cwd=ROOT,
        env=clean_environ(environ),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    return ended.stderr


def run_redirected(redirection: str, *arguments: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end with a redirection as shells know it, such as ``>/dev/full`` or ``2>&-``."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "mongojobs", *arguments],
        cwd=ROOT,
        env=clean_environ(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def clean_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that says nothing about jobs but what *environ* says."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", COVERAGE) if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(environ)
