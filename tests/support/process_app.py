"""An app for tests of process mode: its jobs write to a file what they do, and do harm to their process."""

import asyncio
import ctypes
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mongoengine

from mongojobs import Interrupted, Job, JobTimeout, current_job, job
from tests.support.fault_app import note

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")

hoard: list[bytearray] = []


def _segfault() -> None:
    ctypes.string_at(0)


DEATHS: dict[str, Callable[[], object]] = {
    "segfault": _segfault,
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "cut": lambda: os.closerange(3, 1000),
}


@job
def harmless(ledger: str, number: int) -> None:
    note(ledger, f"harmless {number} in {os.getpid()}")


@job(max_attempts=1)
def fails(ledger: str, number: int) -> None:
    note(ledger, f"failing {number}")
    raise ValueError("no luck")


@job
def dies(ledger: str, how: str, times: int = 1) -> None:
    """Die in the first runs."""
    this = current_job()
    assert this is not None
    note(ledger, f"run with {this.losses} losses")
    if this.losses < times:
        DEATHS[how]()


@job
def dies_of_hunger(ledger: str, mib: int) -> None:
    """Use up much memory, and die as the kernel would have it."""
    hoard.append(bytearray(b"x") * (mib * 2**20))
    DEATHS["kill"]()


@job(max_run_time=0.5, max_attempts=1)
def holds_the_interpreter(ledger: str) -> None:
    """Let no other thread of the process run for minutes, as a computation in C does that keeps the lock."""
    note(ledger, f"held in {os.getpid()}")
    sum(itertools.repeat(0, 10**11))
    note(ledger, "let go")


@job
def takes(ledger: str, name: str, seconds: float) -> None:
    """Take so long, awake often enough to be interrupted."""
    note(ledger, f"{name} began in {os.getpid()}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.01)
    note(ledger, f"{name} ended")


@job
def leaks(ledger: str, number: int, mib: int) -> None:
    """Keep so much memory forever."""
    hoard.append(bytearray(b"x") * (mib * 2**20))
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    note(ledger, f"leaked in {os.getpid()}: {int(peak.split()[1]) // 1024} MiB")


@job
def starts_a_process(ledger: str) -> None:
    """Start another process and wait for it."""
    started = subprocess.Popen(["sleep", "60"])
    note(ledger, f"started {started.pid}")
    started.wait()


@job
def waits_to_be_told(ledger: str, what: str) -> None:
    """Wait until the job is told that its worker is `stopping`, or that its lock is `lost`."""
    this = current_job()
    assert this is not None
    note(ledger, "waits")
    while not getattr(this, what):
        time.sleep(0.01)
    note(ledger, f"told: {what}")


@job
def catches(ledger: str) -> None:
    """Clean up when it is interrupted."""
    note(ledger, "waits")
    try:
        while True:
            time.sleep(0.01)
    except (Interrupted, JobTimeout) as error:
        note(ledger, f"caught {type(error).__name__}")
        raise


@job
@dataclass
class SleepsUntilCancelled:
    """Sleep in the system, clean up, and say who has put an end to it."""

    ledger: str

    def perform(self) -> None:
        note(self.ledger, "sleeps")
        try:
            time.sleep(600)
        finally:
            note(self.ledger, "cleaned up")

    def cancelled(self, job: Job) -> None:
        assert job.cancellation is not None
        note(self.ledger, f"cancelled by {job.cancellation['by']}: {job.cancellation['why']}")


@job
async def sleeps_until_cancelled(ledger: str) -> None:
    note(ledger, "sleeps")
    try:
        await asyncio.sleep(600)
    finally:
        note(ledger, "cleaned up")
