"""An app on a real server, and `mongojobs` as a separate process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

import mongojobs
from mongojobs import MongoJobs
from tests.support import sample_jobs
from tests.support.command_line import Process

Configure = Callable[..., MongoJobs]
Start = Callable[..., Process]


@pytest.fixture
def configure(connection: MongoClient) -> Iterator[Configure]:
    """Sets up the default app again, without jitter."""

    def configure(**values: object) -> MongoJobs:
        app = mongojobs.configure(**{"retry_jitter": 0} | values)
        app.create_indexes()
        return app

    yield configure
    mongojobs.configure()


@pytest.fixture
def app(configure: Configure) -> MongoJobs:
    """The default app."""
    return configure()


@pytest.fixture
def recorder() -> sample_jobs.Recorder:
    """What the sample jobs did in this test."""
    sample_jobs.recorder.clear()
    return sample_jobs.recorder


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts commands that run alongside the test, and ends them with it."""
    started: list[Process] = []

    def start(*arguments: str, **environ: str) -> Process:
        folder = tmp_path / f"process_{len(started)}"
        folder.mkdir()
        started.append(Process(*arguments, folder=folder, environ=environ))
        return started[-1]

    yield start
    for process in started:
        process.end()
