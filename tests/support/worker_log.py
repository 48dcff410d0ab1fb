"""The log of a worker, as `mongojobs work --log-dir` sets it up, in the process of a test."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, BinaryIO

from mongojobs.cli.work.worker_log import LOG_FILE, set_up_worker_logging
from mongojobs.core.lifecycle import Lifecycle
from mongojobs.core.settings import Settings
from mongojobs.plugins.log import LogPlugin, logger

_RECORD_IS_MADE = logging.LogRecord.__init__.__code__


class WorkerLog:
    """The log in a folder, the handler that writes it, and a lifecycle that is told what it is to say."""

    def __init__(self, file: BinaryIO) -> None:
        self.lifecycle = Lifecycle()
        LogPlugin().register(self.lifecycle)
        [self.handler] = logging.getLogger().handlers
        self._file = file

    def lines(self) -> list[str]:
        """Return the lines that have been written since the last time."""
        self.handler.flush()
        return self.lines_in_the_file()

    def lines_in_the_file(self) -> list[str]:
        """Do as ``lines``, without those that are still to be written."""
        return self._file.read().decode("utf-8").split("\n")[:-1]


@contextmanager
def worker_log(folder: Path, form: str = "text") -> Iterator[WorkerLog]:
    """Log to a file in *folder*, as a worker does, and then as before."""
    root, pymongo = logging.getLogger(), logging.getLogger("pymongo")
    before = root.handlers[:], root.level, pymongo.level, logger.__class__, vars(logger).copy()
    root.handlers[:] = []
    set_up_worker_logging(Settings(log_format=form), folder)
    try:
        with (folder / LOG_FILE).open("rb") as file:
            yield WorkerLog(file)
    finally:
        logging.captureWarnings(False)
        root.handlers[:], logger.__class__ = before[0], before[3]
        root.setLevel(before[1])
        pymongo.setLevel(before[2])
        vars(logger).clear()
        vars(logger).update(before[4])


def records_made(act: Callable[[], object]) -> int:
    """Return how many log records are made in this thread during the block."""
    return calls_made(act, lambda code: code is _RECORD_IS_MADE)


def calls_made(act: Callable[[], object], counts: Callable[[CodeType], bool]) -> int:
    """Return how many calls of Python functions *act* takes in this thread, of those whose code *counts*."""
    made: list[CodeType] = []

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and counts(frame.f_code):
            made.append(frame.f_code)

    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
    return len(made)
