"""Worker processes that are measured, and loops without a library."""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench import app
from tests.bench.records import Record, record
from tests.support.command_line import ROOT, clean_environ

_STOP_SECONDS = 60
_TICKS = os.sysconf("SC_CLK_TCK")


class Worker:
    """A worker process that is running or has ended, as users start it; its log goes to a file, or *through* a command.

    What is known of its jobs is in that log: a listener of ours would make each job cost more.
    """

    def __init__(
        self,
        uri: str,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
        root: Path = ROOT,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mongojobs-bench-")
        self._notes = Path(self._folder.name, "notes.json")
        self._log = Path(self._folder.name, "log")
        self._reader: subprocess.Popen[bytes] | None = None
        with self._log.open("wb") as log:
            if through:
                self._reader = subprocess.Popen(through, stdin=subprocess.PIPE, stdout=log)
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mongojobs", "-A", app.__name__, "work", *arguments],
                cwd=root,
                env=clean_environ({"MONGODB_URI": uri, app.NOTES: str(self._notes), **(environ or {})}),
                stdin=subprocess.DEVNULL,
                stdout=self._reader.stdin if self._reader else log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> Record:
        """Stop it and return what it did."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self) -> Record:
        """Wait until it has ended by itself, and return what it did."""
        before = _cpu_of_the_ended()
        self.process.wait(_STOP_SECONDS * 10)
        used = _cpu_of_the_ended() - before
        if self._reader:
            self._reader.communicate()
        log = self._log.read_text(encoding="utf-8")
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RuntimeError(f"a worker ended without its notes:\n{log[-2000:]}") from None
        finally:
            self._folder.cleanup()
        return record(log, cpu_seconds=used, **notes)

    def kill(self) -> None:
        """Leave nothing of it behind."""
        self.process.kill()
        self.process.wait()
        if self._reader:
            self._reader.communicate()
        self._folder.cleanup()

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far."""
        return cpu_seconds(self.process.pid)

    def memory_mib(self) -> float:
        """Return its resident memory."""
        return memory_mib(self.process.pid)

    def wait_until_it_works(self, seconds: float = 120) -> None:
        """Return once its log says that it has started."""
        deadline = time.monotonic() + seconds
        log = self._log
        while "Starting job worker" not in log.read_text(encoding="utf-8"):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"a worker does not start:\n{log.read_text(encoding='utf-8')[-2000:]}")
            time.sleep(0.02)


@contextmanager
def working(
    uri: str, *arguments: str, count: int = 1, environ: Mapping[str, str] | None = None
) -> Iterator[list[Worker]]:
    """Run workers beside the code inside; those not stopped by its end are killed."""
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
    """Drain this many jobs by a loop without a library, in a process of its own, and return the jobs a second."""
    ended = subprocess.run(
        _loop(way, uri, limit), cwd=ROOT, env=clean_environ({}), capture_output=True, text=True, check=True
    )
    result = json.loads(ended.stdout)
    return float(result["jobs"] / result["seconds"])


class Listener:
    """A loop without a library that waits for this many jobs, each of which a change stream announces."""

    def __init__(self, uri: str, limit: int) -> None:
        command = _loop("listening", uri, limit)
        self._process = subprocess.Popen(command, cwd=ROOT, env=clean_environ({}), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._process.stdout.readline()

    def marks(self) -> dict[int, float]:
        """Return when each of them began, once it has had them all."""
        told, _ = self._process.communicate(timeout=_STOP_SECONDS)
        return dict(json.loads(told)["marks"])


def _loop(way: str, uri: str, limit: int) -> list[str]:
    return [sys.executable, "-m", "tests.bench.yardsticks", way, uri, str(limit)]


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [kib] = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(kib) / 1024


def _cpu_of_the_ended() -> float:
    """Return the processor time of all children of this process that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
