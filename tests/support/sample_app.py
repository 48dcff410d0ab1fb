"""A small app as the command line meets it: it connects where SAMPLE_URI says, and its jobs write to files.

mongojobs -A tests.support.sample_app work
"""

import asyncio
import logging
import logging.config
import os
import threading
import time
from pathlib import Path

import mongoengine

from mongojobs import MongoJobs, Settings, job

logger = logging.getLogger("sample_app")

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")


@job
def append(path: str, line: str) -> None:
    """Add a line to a file."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


@job(keep_result="1d")
def says_hello(name: str) -> str:
    """Return a greeting."""
    return f"hello {name}"


@job
def append_after(path: str, line: str, seconds: float) -> None:
    """Add a line saying that it began, and later one that it ended."""
    append(path, f"{line} began")
    time.sleep(seconds)
    append(path, f"{line} ended")


@job
def say_folder(path: str) -> None:
    """Add the folder that jobs run in."""
    append(path, str(Path.cwd()))


@job
def say_process(path: str) -> None:
    """Add the id of the process."""
    append(path, str(os.getpid()))


@job
def keeps_threads_busy(path: str, end: str) -> None:
    """Add the id of the process, and call functions in some threads until the file *end* is there."""

    def dig(depth: int) -> None:
        if depth:
            dig(depth - 1)

    def work() -> None:
        while not Path(end).exists():
            dig(200)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    say_process(path)
    for thread in threads:
        thread.join()


@job
def log_a_line(text: str) -> None:
    """Log something."""
    logger.info(text)


@job
async def log_a_line_async(text: str) -> None:
    """Log something from the event loop."""
    await asyncio.sleep(0)
    logger.info(text)


@job
def silence_others_and_log(text: str) -> None:
    """Set logging up again, as an app does that knows of no other loggers, and log something."""
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True, "incremental": False})
    raise ValueError(text)


@job(max_attempts=1)
def always_fails() -> None:
    """Raise an error, as the name says."""
    raise ValueError("this job always fails")


@job
def never_returns() -> None:
    """Go on whatever is raised in it."""
    while True:
        try:
            time.sleep(60)
        except BaseException:  # noqa: BLE001 - the plot
            logger.info("not now")


instance = MongoJobs(Settings(collection="jobs_of_instance"))


def factory() -> MongoJobs:
    """Make the app again."""
    return MongoJobs(Settings(collection="jobs_of_factory"))


def factory_with_arguments(name: str) -> str:
    """Be no factory at all."""
    return name
