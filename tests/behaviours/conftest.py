"""An app on a real server, whose clock stands still, and what its jobs did."""

from collections.abc import Callable, Iterator

import pytest
from pymongo import MongoClient

import mongojobs
from mongojobs import MongoJobs
from tests.support import sample_jobs
from tests.support.clock import HeldClock

Configure = Callable[..., MongoJobs]


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def configure(connection: MongoClient, clock: HeldClock) -> Iterator[Configure]:
    """Sets up the default app anew; without jitter, and with a clock that stands still unless another is given."""

    def configure(**values: object) -> MongoJobs:
        return mongojobs.configure(**{"clock": clock, "retry_jitter": 0} | values)

    yield configure
    mongojobs.configure()


@pytest.fixture
def app(configure: Configure) -> MongoJobs:
    """The default app."""
    return configure()


@pytest.fixture
def recorder() -> sample_jobs.Recorder:
    """What the sample jobs did in this test."""
    return sample_jobs.recorder


@pytest.fixture(autouse=True)
def _clean_slate() -> None:
    sample_jobs.recorder.clear()
    sample_jobs.gate.clear()
