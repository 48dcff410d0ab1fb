"""A dashboard over its own app on a real server."""

from collections.abc import Iterator

import pytest
from pymongo import MongoClient

import mongojobs
from mongojobs import MongoJobs
from tests.support.dashboard import VIEWER, Visitor


@pytest.fixture
def app(connection: MongoClient, indexes: None) -> Iterator[MongoJobs]:
    """The default app, with its indexes."""
    app = mongojobs.configure(retry_jitter=0)
    yield app
    mongojobs.configure()


@pytest.fixture
def operator(app: MongoJobs) -> Visitor:
    """Somebody who may change something."""
    return Visitor(app)


@pytest.fixture
def viewer(app: MongoJobs) -> Visitor:
    """Somebody who may only look."""
    return Visitor(app, VIEWER)
