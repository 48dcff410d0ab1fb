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


@job(max_attempts=2)
def does_steps(*, fails: bool = False) -> None:
    """Do two steps, and say which; perhaps fail after them."""
    with this_job().step("first") as first:
        if first.todo:
            seen.append("first")
            first.done(("a", 1))
    with this_job().step("second") as second:
        if second.todo:
            seen.append("second")
            second.done()
    seen.append((first.value, second.value))
    if fails:
        raise ValueError("no luck")


@job
async def does_a_step_on_the_loop() -> None:
    with this_job().step("first") as first:
        if first.todo:
            await first.adone(7)
    seen.append(first.value)


@job
def does_a_step_and_stays(gate: str) -> None:
    with this_job().step("first") as first:
        if first.todo:
            first.done()
    gates[gate].wait()
    with this_job().step("second") as second:
        second.done("too late")


@job
def does_a_step_and_dies() -> None:
    """Do a step in the first run, and die."""
    with this_job().step("first") as first:
        if first.todo:
            first.done(os.getpid())
            os._exit(3)


@job
@dataclass
class StepsAsTold:
    """Does the steps with these names and values."""

    steps: list[tuple[Any, Any]]

    def perform(self) -> None:
        for name, value in self.steps:
            with this_job().step(name) as step:
                step.done(value)


@job
def does_a_step_twice() -> None:
    with this_job().step("first") as first:
        first.done()
        first.done()


@job
def asks_for_a_value_too_early() -> None:
    with this_job().step("first") as first:
        seen.append(first.value)


@job
def keeps_an_odd_value() -> None:
    with this_job().step("first") as first:
        first.done(object())


@job
def keeps_too_much() -> None:
    with this_job().step("first") as first:
        first.done("x" * 900_000)
    with this_job().step("second") as second:
        second.done("y" * 200_000)
