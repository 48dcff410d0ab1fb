"""Stores to test: ``store`` runs a test on mongomock, on a real server and on the memory of tests.

``database_store`` leaves out the memory, and ``server_store`` is the server alone.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import mongomock
import pytest
from pymongo import MongoClient

from mongojobs.core.settings import Settings
from mongojobs.store.jobs import JobStore, open_store
from mongojobs.testing.memory import MemoryStore
from tests.support.clock import HeldClock
from tests.support.pace import at_full_pace
from tests.support.spy import Spy


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def settings() -> Settings:
    """The settings of the store; a class of tests overrides them with its own fixture."""
    return Settings(enqueue_timeout=1, max_losses=3, max_releases=3)


@pytest.fixture
def mock_store(clock: HeldClock, settings: Settings) -> JobStore:
    return open_store(mongomock.MongoClient(), "jobs", settings, clock)


@pytest.fixture
def spy() -> Spy:
    """What the client of ``server_store`` sent since the test began."""
    return Spy()


@pytest.fixture
def client(mongo_uri: str, spy: Spy) -> Iterator[MongoClient]:
    """The client of ``server_store``, which the ``spy`` listens to."""
    with MongoClient(mongo_uri, event_listeners=[spy]) as client:
        yield client


@pytest.fixture
def full_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workers of a test do as much at once as on a machine that has nothing else to do."""
    at_full_pace(monkeypatch.setattr)


@pytest.fixture
def spy_on() -> Callable[..., AbstractContextManager[tuple[MongoClient, Spy]]]:
    """Open a client with its own options, and a spy on it."""

    @contextmanager
    def open_client(uri: str, **options: Any) -> Iterator[tuple[MongoClient, Spy]]:
        spy = Spy()
        with MongoClient(uri, event_listeners=[spy], **options) as client:
            yield client, spy

    return open_client


@pytest.fixture
def server_store(client: MongoClient, clock: HeldClock, settings: Settings, indexes: None) -> JobStore:
    return open_store(client, client.get_default_database().name, settings, clock)


@pytest.fixture
def memory_store(clock: HeldClock, settings: Settings) -> MemoryStore:
    return MemoryStore(clock, lambda: settings)


@pytest.fixture(params=["mock_store", "server_store"], ids=["mongomock", "server"])
def database_store(request: pytest.FixtureRequest, indexes: None) -> JobStore:
    """A store with a collection, for tests that look into it or do something with many jobs."""
    wanted: JobStore = request.getfixturevalue(request.param)
    return wanted


@pytest.fixture(params=["mock_store", "server_store", "memory_store"], ids=["mongomock", "server", "memory"])
def store(request: pytest.FixtureRequest, indexes: None) -> JobStore | MemoryStore:
    """What single jobs live in."""
    wanted: JobStore | MemoryStore = request.getfixturevalue(request.param)
    return wanted


@pytest.fixture
def transaction(client: MongoClient) -> Iterator[object]:
    """A session with an open transaction; aborted unless the test commits it."""
    with client.start_session() as session:
        session.start_transaction()
        yield session
