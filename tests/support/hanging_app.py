"""An app whose import in a process of the kind that HANGS_IN names never ends, until the file HAS_HUNG is there."""

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


if os.environ.get("HANGS_IN") in sys.argv and not Path(os.environ["HAS_HUNG"]).exists():
    hang()


@job
def harmless(ledger: str, number: int) -> None:
    note(ledger, f"harmless {number}")
