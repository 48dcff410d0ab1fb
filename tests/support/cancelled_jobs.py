"""Jobs for tests of cancelling: each goes on until it is told otherwise, and most clean up after themselves."""

import asyncio
import threading
from dataclasses import dataclass

from mongojobs import Job, Snooze, current_job, job
from tests.support.sample_jobs import NoLuckError, gate, recorder


def go_on() -> None:
    """Work in short steps, as code that can be interrupted does, until the gate opens."""
    recorder.note("began")
    while not gate.wait(0.01):
        pass
    recorder.note("ended")


@job
def goes_on() -> None:
    try:
        go_on()
    finally:
        recorder.note("cleaned up")


@job
def goes_on_after_half(done: float, of: float) -> None:
    this = current_job()
    assert this is not None
    this.set_progress(done, of)
    go_on()


@job
async def goes_on_async() -> None:
    recorder.note("began")
    try:
        await asyncio.sleep(600)
    finally:
        await asyncio.sleep(0)
        recorder.note("cleaned up")


@job
def takes_everything_for_its_own_error() -> None:
    try:
        go_on()
    except BaseException:  # noqa: BLE001 - what it is about
        recorder.note("swallowed")


@job
async def takes_everything_for_its_own_error_async() -> None:
    recorder.note("began")
    try:
        await asyncio.sleep(600)
    except BaseException:  # noqa: BLE001 - what it is about
        recorder.note("swallowed")


@job
def fails_to_clean_up() -> None:
    try:
        go_on()
    finally:
        raise NoLuckError("no luck with the temporary file")


@job
def asks_by_itself() -> None:
    """Look up from time to time whether it is cancelled, as code does that nothing interrupts."""
    this = current_job()
    assert this is not None
    recorder.note("began")
    while not this.cancelling:
        threading.Event().wait(0.01)
    recorder.note("noticed")


@job
def snoozes_once_told() -> None:
    recorder.note("began")
    gate.wait(30)
    raise Snooze("1h")


@job
def fails_once_told() -> None:
    recorder.note("began")
    gate.wait(30)
    raise NoLuckError("no luck")


@job
@dataclass
class Orderly:
    """Has every hook for the end, and writes each down."""

    def perform(self) -> None:
        go_on()

    def success(self) -> None:
        recorder.note("success")

    def error(self) -> None:
        recorder.note("error")

    def failure(self) -> None:
        recorder.note("failure")

    def after(self) -> None:
        recorder.note("after")

    def cancelled(self, job: Job) -> None:
        assert job.cancellation is not None
        recorder.note("cancelled", job.cancellation["by"], job.cancellation["why"])
