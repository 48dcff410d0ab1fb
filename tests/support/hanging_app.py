"""An app whose first import in a process of the kind that HANGS_IN names never ends."""

import os
import sys
import threading
from pathlib import Path

import mongoengine

from mongojobs import job
from tests.support.fault_app import note

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")


def hang() -> None:
    threading.Event().wait()


def _is_the_first() -> bool:
    try:
        Path(os.environ["HAS_HUNG"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


if os.environ.get("HANGS_IN") in sys.argv and _is_the_first():
    hang()


@job
def harmless(ledger: str, number: int) -> None:
    note(ledger, f"harmless {number}")
