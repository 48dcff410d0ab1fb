"""An app for tests of unique jobs in worker processes: its jobs write to a file, and end when another file is there."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import mongojobs.store.lifecycle.end as end_of_runs
from mongojobs import current_job, job
from tests.support import fault_app
from tests.support.fault_app import note

__all__ = ["fault_app"]


@job(unique="key", on_duplicate="rerun")
def waits_for_a_file(ledger: str, key: int, text: str) -> None:
    note(ledger, f"{key} {text} begins")
    while not Path(f"{ledger}.gate").exists():
        threading.Event().wait(0.01)
    note(ledger, f"{key} {text} ends")


@job(unique="key")
def kills_its_first_worker(ledger: str, key: int) -> None:
    running = current_job()
    assert running is not None
    note(ledger, f"run {running.id}")
    if not running.losses:
        while not Path(f"{ledger}.gate").exists():
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGKILL)


@job(unique="key", max_attempts=50, backoff=1)
def fails_some_times(ledger: str, key: int, times: int) -> None:
    running = current_job()
    assert running is not None
    note(ledger, f"attempt {running.attempts}")
    if running.attempts < times:
        raise ValueError("not yet")


@job(unique="key")
def debounced(ledger: str, key: int, number: int, at: float) -> None:
    note(ledger, f"{number}")


def _dies(*_given: Any) -> list[Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


if os.environ.get("DIES_FINISHING"):  # between the write that found out that the job is wanted again, and the next
    vars(end_of_runs)["honour"] = _dies
