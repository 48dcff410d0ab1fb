"""An app whose worker's loop hangs while the file HANG_FILE is there."""

import os
import threading
from pathlib import Path

import mongoengine

import mongojobs
from mongojobs import Lifecycle, Plugin, job

mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")


class Hangs(Plugin):
    """Holds up the loop, as a callback with an endless loop would."""

    def register(self, lifecycle: Lifecycle) -> None:
        lifecycle.before("loop", self._hang)

    def _hang(self, _worker: object) -> None:
        while Path(os.environ["HANG_FILE"]).exists():
            threading.Event().wait(0.05)


@job
def adds(number: int) -> int:
    """Do nothing worth telling."""
    return number + 1


@job(max_attempts=1)
def fails() -> None:
    """Raise an error, as the name says."""
    raise ValueError("no luck")


mongojobs.configure(plugins=[Hangs])
