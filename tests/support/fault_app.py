"""An app for tests of faults: its jobs write their starts and ends to a file, and do harm."""

import os
import signal
import threading
import time

import mongoengine

from mongojobs import current_job, job

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")


def note(ledger: str, text: str) -> None:
    """Append a line in one write, so that lines of several processes do not mix."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def freeze() -> None:
    """Stop the whole process here, until it is continued.

    A signal to the process would stop the thread that happens to take it first, and this one some time later.
    """
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


@job
def harmless(ledger: str, number: int) -> None:
    note(ledger, f"harmless {number}")


@job
def kills_its_worker(ledger: str) -> None:
    note(ledger, "killer")
    os._exit(1)


@job
def kills_its_first_worker(ledger: str) -> None:
    """Die by SIGKILL in the first run, as for want of memory, and end well in the second."""
    running = current_job()
    assert running is not None
    note(ledger, f"run with {running.losses} losses and {running.attempts} attempts")
    if not running.losses:
        os.kill(os.getpid(), signal.SIGKILL)


@job
def freezes_its_first_worker(ledger: str) -> None:
    """Stop the whole process in the first run, and go on where it stood when it is continued."""
    running = current_job()
    assert running is not None
    note(ledger, f"started with {running.losses} losses")
    if not running.losses:
        freeze()
    note(ledger, f"ended with {running.losses} losses, lost={running.lost}")


@job(max_run_time=0.3, max_attempts=1)
def sits_in_c_code(ledger: str, seconds: float) -> None:
    note(ledger, "stuck")
    time.sleep(seconds)


@job
def takes_a_second(ledger: str) -> None:
    note(ledger, "long one started")
    for _ in range(100):
        time.sleep(0.01)
    note(ledger, "long one ended")


@job
def freezes_its_first_worker_and(ledger: str, end: str) -> None:
    """Stop the whole process in the first run, and fail or go on in it when it is continued; wait in the second."""
    running = current_job()
    assert running is not None
    note(ledger, f"started with {running.losses} losses")
    if running.losses:
        time.sleep(60)
    freeze()
    if end == "fails":
        raise ValueError("too late")
    time.sleep(5)
