"""Jobs that log, each named for its plot."""

import contextlib
import logging
import os
import signal
import threading
from dataclasses import dataclass
from typing import ClassVar

import mongoengine

from mongojobs import current_job, job

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")

gates: dict[str, threading.Event] = {}
"""What a job waits for in the middle; made by the test."""


def this_log() -> logging.Logger:
    found = current_job()
    assert found is not None
    return found.log


@job(keep_log="64k")
def logs(*texts: str) -> None:
    for text in texts:
        this_log().info(text)


@job
def logs_what_nobody_keeps(text: str) -> None:
    this_log().warning(text)


@job(keep_log="64k")
async def logs_on_the_loop(text: str) -> None:
    this_log().info(text)


@job(keep_log="64k")
def logs_in_a_thread(text: str) -> None:
    thread = threading.Thread(target=this_log().info, args=(text,))
    thread.start()
    thread.join()


@job(keep_log="64k", max_attempts=3)
def logs_and_fails(text: str) -> None:
    this_log().info(text)
    try:
        raise LookupError("no luck")
    except LookupError:
        this_log().exception("it went wrong")
        raise


@job(keep_log="64k", sensitive=("token",))
def logs_a_secret(token: str) -> None:
    this_log().info("signing in with %s", token)


@job(keep_log="64k", max_attempts=1)
def logs_in_a_transaction() -> None:
    """Say something in a transaction, long enough to have it stored meanwhile, and undo that."""
    this = current_job()
    assert this is not None
    with contextlib.suppress(LookupError), this.transaction():
        this.log.info("inside")
        threading.Event().wait(1.5)
        raise LookupError
    this.log.info("after")


@job(keep_log="64k")
def logs_at_all_levels() -> None:
    this_log().debug("debug")
    this_log().info("info")
    this_log().error("error")


@job(keep_log="64k")
def logs_what_cannot_be_written() -> None:
    this_log().info("%d rows", "many")
    this_log().info("after")


@job(keep_log="64k")
def logs_and_waits(gate: str, text: str) -> None:
    this_log().info(text)
    gates["begun"].set()
    gates[gate].wait(30)
    this_log().info(f"{text}, later")


@job(keep_log="64k")
def logs_and_dies(text: str) -> None:
    """Die in the first run, a moment after the last line."""
    this = current_job()
    assert this is not None
    this.log.info("%s %s", text, this.fence)
    if this.fence == 1:
        threading.Event().wait(0.5)
        os.kill(os.getpid(), signal.SIGKILL)


@job(keep_log="64k")
def floods(count: int, size: int) -> None:
    for number in range(count):
        this_log().info("%08d %s", number, "x" * size)


@job
@dataclass
class Export:
    """A job object that keeps its log."""

    name: str
    keep_log: ClassVar[str] = "8k"

    def perform(self) -> None:
        this_log().info("export %s", self.name)
