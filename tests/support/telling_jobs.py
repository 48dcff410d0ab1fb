"""Jobs that tell of themselves while they run."""

import os
import threading
from dataclasses import dataclass
from typing import Any

import mongoengine

from mongojobs import Job, Snooze, current_job, job

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")

gates: dict[str, threading.Event] = {}
"""What a job waits for in the middle; made by the test."""
seen: list[object] = []
"""What jobs saw of themselves."""


def this_job() -> Job:
    job = current_job()
    assert job is not None
    return job


@job
def tells(done: float, of: float | None = None, note: str = "") -> None:
    this_job().set_progress(done, of, note)
    seen.append(this_job().progress)


@job
def tells_and_waits(gate: str) -> None:
    """Tell twice, wait, and tell once more."""
    this_job().set_progress(0, of=10)
    this_job().set_progress(3, of=10, note="three")
    gates[gate].wait()
    this_job().set_progress(10, of=10)


@job
def tells_and_stays(seconds: float) -> None:
    this_job().set_progress(3, of=10)
    threading.Event().wait(seconds)


@job
async def tells_on_the_loop() -> None:
    this_job().set_progress(4, of=10)


@job(sensitive=("token",))
def tells_a_secret(token: str) -> None:
    this_job().set_progress(1, note=f"signing in with {token}")


@job(max_attempts=2)
def tells_and_fails(done: int) -> None:
    seen.append(this_job().progress)
    this_job().set_progress(done)
    raise ValueError("no luck")


@job
def tells_and_snoozes(done: int) -> None:
    this_job().set_progress(done)
    raise Snooze("1h")


@job
@dataclass
class TellsAnything:
    """Tells what it was made with."""

    given: tuple[Any, ...]

    def perform(self) -> None:
        this_job().set_progress(*self.given)
