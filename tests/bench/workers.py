"""Worker processes that are measured, and loops without a library."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from tests.bench import app
from tests.support.command_line import ROOT, clean_environ

_STOP_SECONDS = 60
_TICKS = os.sysconf("SC_CLK_TCK")


class Worker:
    """A worker process that is running or has ended; what it noted is there once it has ended."""

    def __init__(self, uri: str, *arguments: str, limit: int = 0, environ: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mongojobs-bench-")
        self._notes = Path(self._folder.name, "notes.json")
        told = {"MONGODB_URI": uri, app.NOTES: str(self._notes), app.LIMIT: str(limit), **(environ or {})}
        with Path(self._folder.name, "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mongojobs", "-A", app.__name__, "work", *arguments],
                cwd=ROOT,
                env=clean_environ(told),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> SimpleNamespace:
        """Stop it and return what it noted."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self) -> SimpleNamespace:
        """Wait until it has ended by itself, and return what it noted."""
        self.process.wait(_STOP_SECONDS * 10)
        try:
            return SimpleNamespace(**json.loads(self._notes.read_text(encoding="utf-8")))
        except FileNotFoundError:
            log = Path(self._folder.name, "log").read_text(encoding="utf-8")
            raise RuntimeError(f"a worker ended without its notes:\n{log[-2000:]}") from None
        finally:
            self._folder.cleanup()

    def kill(self) -> None:
        """Leave nothing of it behind."""
        self.process.kill()
        self.process.wait()
        self._folder.cleanup()

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mib(self) -> float:
        """Return its resident memory."""
        return memory_mib(self.process.pid)

    def wait_until_it_works(self, seconds: float = 30) -> None:
        """Return once its log says that it has started."""
        deadline = time.monotonic() + seconds
        log = Path(self._folder.name, "log")
        while "Starting job worker" not in log.read_text(encoding="utf-8"):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"a worker does not start:\n{log.read_text(encoding='utf-8')[-2000:]}")
            time.sleep(0.02)


@contextmanager
def working(
    uri: str, *arguments: str, count: int = 1, environ: Mapping[str, str] | None = None
) -> Iterator[list[Worker]]:
    """Let workers work beside the code inside; they are killed at its end if they have not been stopped."""
    workers = [Worker(uri, *arguments, environ=environ) for _ in range(count)]
    try:
        for worker in workers:
            worker.wait_until_it_works()
        yield workers
    finally:
        for worker in workers:
            if worker.process.poll() is None:
                worker.kill()


def loop_rate(way: str, uri: str, limit: int) -> float:
    """Drain so many jobs by a loop without a library, in a process of its own, and return the jobs a second."""
    command = [sys.executable, "-m", "tests.bench.yardsticks", way, uri, str(limit)]
    ended = subprocess.run(command, cwd=ROOT, env=clean_environ({}), capture_output=True, text=True, check=True)
    result = json.loads(ended.stdout)
    return float(result["jobs"] / result["seconds"])


def rate(workers: Sequence[SimpleNamespace]) -> float:
    """Return the jobs a second of all *workers* together, from the first start to the last result stored."""
    jobs = sum(len(notes.completed) for notes in workers)
    first = min(min(notes.started) for notes in workers if notes.started)
    last = max(max(notes.completed) for notes in workers if notes.completed)
    return float(jobs / (last - first))


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [kib] = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(kib) / 1024
