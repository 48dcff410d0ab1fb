"""The app whose jobs are measured: bodies that do next to nothing, and notes of when they ran.

All moments are `time.monotonic()`, which is the same clock in all processes of a machine.
"""

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import mongoengine
from pymongo import monitoring

import mongojobs
from mongojobs import Lifecycle, Plugin, every, job

NOTES = "MONGOJOBS_BENCH_NOTES"
"""The file that a worker's notes go to when it ends; without it, nothing is noted."""
SCHEDULES = "MONGOJOBS_BENCH_SCHEDULES"
"""How many schedules to declare, none of which is due before next year."""
MILLISECOND = 0.001

marks: list[tuple[Any, float]] = []
"""What the jobs that mark their runs were called with, and when they ran."""


@job
def nothing(number: int) -> None:
    """Do nothing, as fast as possible."""


@job(unique=True)
def nothing_once(number: int) -> None:
    """Do nothing, and not twice with the same number."""


@job
async def nothing_async(number: int) -> None:
    """Do nothing, on the event loop."""


@job
def marks_its_run(what: int) -> None:
    """Note when it began."""
    marks.append((what, time.monotonic()))


@job
def waits_a_millisecond(number: int) -> None:
    """Wait, as for an answer from near by."""
    time.sleep(MILLISECOND)


@job
def takes_a_second(number: int) -> None:
    """Wait, as for a web service, and note when it ended."""
    time.sleep(1)
    marks.append((number, time.monotonic()))


for _number in range(int(os.environ.get(SCHEDULES, "0"))):
    every("0 3 1 1 *", name=f"schedule {_number}", args=(_number,))(nothing)


class Notes(Plugin):
    """Writes down at a worker's end what its jobs marked, and what it asked of the server.

    It listens to nothing else, so that a job costs what it costs without it.
    """

    def register(self, lifecycle: Lifecycle) -> None:
        """Surround the worker's life."""
        lifecycle.around("execute", self._write_at_the_end)

    def _write_at_the_end(self, proceed: Any, _worker: object) -> object:
        status = proceed()
        notes = {"marks": marks, "commands": commands.counts}
        Path(os.environ[NOTES]).write_text(json.dumps(notes), encoding="utf-8")
        return status


class Commands(monitoring.CommandListener):
    """Counts the commands that this process sends."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count one."""
        self.counts[event.command_name] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing."""


commands = Commands()

if NOTES in os.environ:
    monitoring.register(commands)
    mongojobs.configure(plugins=[Notes()])
if "MONGODB_URI" in os.environ:  # to join figures needs none
    mongoengine.connect(host=os.environ["MONGODB_URI"], uuidRepresentation="standard")
