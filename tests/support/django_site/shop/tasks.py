"""The tasks of the app."""

import os
import threading
from pathlib import Path

from mongojobs import Discard, Snooze, current_job
from tests.tasks_kit.framework import task

gate: list[Exception] = []
"""What `stumble` raises, one in each run, until there is no more."""


@task
def write_path(path: str) -> int:
    Path(path).write_text(f"task {os.getpid()}")
    return len(path)


@task(backend="patient")
def stumble() -> int:
    if gate:
        raise gate.pop(0)
    return 7


@task(backend="patient")
def give_up() -> None:
    raise Discard("not needed")


@task(backend="patient")
def doze() -> None:
    job = current_job()
    if job is not None and not job.snoozes:
        raise Snooze(0)


@task(backend="elsewhere")
def of_another_backend() -> int:
    return 5


started = threading.Event()


@task
def wait_long() -> None:
    started.set()
    while True:
        threading.Event().wait(0.01)


@task
async def rest() -> int:
    return 7


@task
def greet(name: str) -> str:
    return f"hello {name}"
