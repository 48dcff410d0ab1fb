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
from mongojobs import Lifecycle, Plugin, job
from mongojobs.core.notices import JobCompleted, JobStarted

NOTES = "MONGOJOBS_BENCH_NOTES"
"""The file that a worker's notes go to when it ends; without it, nothing is noted."""
LIMIT = "MONGOJOBS_BENCH_LIMIT"
"""After how many results a worker stops."""

marks: list[tuple[Any, float]] = []
"""What the jobs that mark their runs were called with, and when they ran."""


@job
def nothing(number: int) -> None:
    """Do nothing, as fast as possible."""


@job
async def nothing_async(number: int) -> None:
    """Do nothing, on the event loop."""


@job
def marks_its_run(what: int) -> None:
    """Note when it began."""
    marks.append((what, time.monotonic()))


@job
def takes_a_second(number: int) -> None:
    """Wait, as for a web service, and note when it ended."""
    time.sleep(1)
    marks.append((number, time.monotonic()))


class Notes(Plugin):
    """Keeps when runs began and when results were stored, and what a worker asked of the server."""

    def __init__(self) -> None:
        self._limit = int(os.environ.get(LIMIT, "0"))
        self._started: list[float] = []
        self._completed: list[float] = []
        self._worker: Any = None

    def register(self, lifecycle: Lifecycle) -> None:
        """Listen to all notices, and surround the worker's life."""
        lifecycle.on_notice(self._listen)
        lifecycle.around("execute", self._write_at_the_end)

    def _listen(self, notice: object) -> None:
        if type(notice) is JobStarted:
            self._started.append(time.monotonic())
        elif type(notice) is JobCompleted:
            self._completed.append(time.monotonic())
            if len(self._completed) == self._limit:
                self._worker.stop()

    def _write_at_the_end(self, proceed: Any, worker: object) -> object:
        self._worker = worker
        status = proceed()
        notes = {
            "started": self._started,
            "completed": self._completed,
            "marks": marks,
            "commands": commands.counts,
        }
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
mongoengine.connect(host=os.environ["MONGODB_URI"], uuidRepresentation="standard")
