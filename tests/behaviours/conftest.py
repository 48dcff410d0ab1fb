"""An app on a real server, whose clock stands still, and what its jobs did."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

import mongojobs
from mongojobs import Job, MongoJobs
from tests.support import sample_jobs
from tests.support.clock import HeldClock
from tests.support.command_line import ROOT, SAMPLE_APP, Process

Configure = Callable[..., MongoJobs]
Environ = dict[str, str]
Start = Callable[..., Process]


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def configure(connection: MongoClient, clock: HeldClock) -> Iterator[Configure]:
    """Sets up the default app again, without jitter, and with a clock that stands still unless another is given."""

    def configure(**values: object) -> MongoJobs:
        return mongojobs.configure(**{"clock": clock, "retry_jitter": 0} | values)

    yield configure
    mongojobs.configure()


@pytest.fixture
def app(configure: Configure) -> MongoJobs:
    """The default app."""
    return configure()


@pytest.fixture
def environ(mongo_uri: str) -> Environ:
    """What the processes of the test find in their environment."""
    return {"SAMPLE_URI": mongo_uri, "MONGOJOBS_APP": SAMPLE_APP, "MONGOJOBS_LEASE": "4", "MONGOJOBS_HEARTBEAT": "1"}


@pytest.fixture
def start(environ: Environ, tmp_path: Path) -> Iterator[Start]:
    """Starts commands that run alongside the test, and ends them with it."""
    started: list[Process] = []

    def start(*arguments: str, cwd: Path = ROOT, **more: str) -> Process:
        folder = tmp_path / f"process_{len(started)}"
        folder.mkdir()
        started.append(Process(*arguments, folder=folder, environ=environ | more, cwd=cwd))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def recorder() -> sample_jobs.Recorder:
    """What the sample jobs did in this test."""
    return sample_jobs.recorder


@pytest.fixture(autouse=True)
def _clean_slate() -> None:
    sample_jobs.recorder.clear()
    sample_jobs.gate.clear()


@pytest.fixture
def spoil(app: MongoJobs) -> Callable[..., None]:
    """Changes the stored payload of a job behind our back."""

    def spoil(job: Job, **fields: object) -> None:
        app.store.collection.update_one({"_id": job.id}, {"$set": {f"handler.{k}": v for k, v in fields.items()}})

    return spoil
