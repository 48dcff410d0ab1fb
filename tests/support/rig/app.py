"""The app of the rig's workers: each of its jobs writes to the ledger that RIG_LEDGER names.

With RIG_FAULT it works with a planted fault (see `planted`).
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import mongoengine
from pymongo.client_session import ClientSession

from mongojobs import current_job, job
from tests.support.rig import planted
from tests.support.rig.ledger import Ledger

ledger = Ledger(Path(os.environ.get("RIG_LEDGER", os.devnull)))

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")
if "RIG_FAULT" in os.environ:
    planted.plant(os.environ["RIG_FAULT"])


def _noting(number: int):  # type: ignore[no-untyped-def]  # a context manager, as the ledger's
    this = current_job()
    assert this is not None
    return ledger.noting(this, number)


@job
def quick(number: int) -> None:
    with _noting(number):
        pass


@job
def takes(number: int, seconds: float) -> None:
    """Take so long, awake often enough to be interrupted."""
    with _noting(number):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.01)


def _order(number: int, session: ClientSession | None = None, pause_seconds: float = 0.005) -> None:
    """Write an order, in two steps that a kill may come between."""
    orders = mongoengine.get_db()["orders"]
    orders.insert_one({"number": number, "step": 1}, session=session)
    time.sleep(pause_seconds)
    orders.insert_one({"number": number, "step": 2}, session=session)


@job
def orders_once(number: int) -> None:
    this = current_job()
    assert this is not None
    with this.transaction() as session:
        _order(number, session)


@job
def orders_by_function(number: int) -> None:
    this = current_job()
    assert this is not None
    this.in_transaction(lambda session: _order(number, session))


@job
def orders_plainly(number: int) -> None:
    """Do the same without a transaction, so slowly that a kill comes between: it is done twice then."""
    _order(number, pause_seconds=0.2)


@job(backoff=0.2)
def fails_at_first(number: int) -> None:
    """Fail once, and end well in the second attempt."""
    this = current_job()
    assert this is not None
    with _noting(number):
        if this.attempts == 0:
            raise ValueError("the first attempt fails")


@job(backoff=0.1, max_attempts=3)
def always_fails(number: int) -> None:
    with _noting(number):
        raise ValueError("every attempt fails")


_DEATHS: dict[str, Callable[[], object]] = {
    "exit": lambda: os._exit(1),
    "segv": lambda: ctypes.string_at(0),
    "memory": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


@job
def kills_its_worker(number: int, how: str = "exit") -> None:
    """End the process by ``exit``, by a segmentation fault (``segv``), or as when memory runs out (``memory``)."""
    this = current_job()
    assert this is not None
    with _noting(number):
        ledger.note("died", this)
        _DEATHS[how]()


@job(max_run_time=0.5, max_attempts=1)
def sticks_in_c_code(number: int) -> None:
    """Do not return, and take no notice of anything."""
    with _noting(number):
        time.sleep(60)


class CannotSayError(Exception):
    """An exception that fails when it is asked what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


@job(max_attempts=1)
def raises(number: int, what: str) -> None:
    """Raise something odd."""
    with _noting(number):
        odd = _ODD[what]()
        raise odd


def _endless() -> Exception:
    return _endless()


_ODD: dict[str, Callable[[], BaseException]] = {
    "recursion": _endless,
    "40 MB": lambda: ValueError("x" * 40_000_000),
    "no words": CannotSayError,
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "group": lambda: ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
}


@job(backoff=0.1)
def waits(number: int, gates: str, fails_in: int = 0) -> None:
    """Wait until the file named for this reserve is there (1, 2, ...); fail then in the one of this number."""
    this = current_job()
    assert this is not None
    with _noting(number):
        while not (Path(gates) / str(this.fence)).exists():
            time.sleep(0.01)
        if this.fence == fails_in:
            raise ValueError("this run fails")
