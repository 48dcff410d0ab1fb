"""An app whose workers write to CALLS_FILE how many Python functions their threads called.

And how many objects they spared the search for garbage, and for how many seconds a thread may keep others waiting.
"""

import gc
import itertools
import os
import sys
import threading
from pathlib import Path
from types import FrameType

import mongoengine

import mongojobs
from mongojobs import Lifecycle, Plugin, job
from tests.support.pace import at_full_pace

CALLS_FILE = "CALLS_FILE"


@job
def nothing(number: int) -> None:
    """Do nothing."""


class CountsCalls(Plugin):
    """Counts from the start of the worker to its end, in all threads started in between.

    What the driver calls goes with the number of commands, not with that of jobs.
    """

    def __init__(self) -> None:
        self._calls = itertools.count()

    def register(self, lifecycle: Lifecycle) -> None:
        lifecycle.before("execute", self._begin)
        lifecycle.after("execute", self._end)

    def _begin(self, _worker: object) -> None:
        threading.setprofile(self._count)

    def _count(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and not frame.f_globals["__name__"].startswith(("pymongo.", "bson.")):
            next(self._calls)

    def _end(self, _worker: object) -> None:
        told = f"{next(self._calls)} {gc.get_freeze_count()} {sys.getswitchinterval()}"
        Path(os.environ[CALLS_FILE]).write_text(told, encoding="utf-8")


if CALLS_FILE in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")
    at_full_pace(setattr)
    mongojobs.configure(plugins=[CountsCalls])
