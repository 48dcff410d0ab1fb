"""A default app that nobody has configured, and documents on mongomock; what jobs did is in ``recorder``."""

from collections.abc import Iterator

import mongoengine
import mongomock
import pytest

import mongojobs
from tests.support import sample_jobs


@pytest.fixture(autouse=True)
def _clean_slate() -> Iterator[None]:
    sample_jobs.recorder.clear()
    mongojobs.configure(retry_jitter=0)
    yield
    mongojobs.configure()


@pytest.fixture
def recorder() -> sample_jobs.Recorder:
    """What the sample jobs did in this test."""
    return sample_jobs.recorder


@pytest.fixture
def mock_connection() -> Iterator[object]:
    """MongoEngine's default connection, to mongomock."""
    yield mongoengine.connect("shop", mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
    mongoengine.disconnect_all()
