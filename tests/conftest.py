"""What every test may ask for: a real server, its own database, MongoEngine connected to it."""

import gc
import os
import random
import signal
import socket
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import mongoengine
import pytest
from coverage import Coverage
from mongoengine.base.common import _document_registry
from pymongo import MongoClient

from mongojobs.enqueuing import current
from mongojobs.schedules.declared import schedules
from tests.support.command_line import COVERAGE
from tests.support.databases import Databases
from tests.support.mongod import Server, with_database


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mongojobs")
    group.addoption("--faults", action="store_true", help="run the slow tests too")
    group.addoption("--seed", type=int, default=None, help="repeat the random schedule of this number")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as it is in the background, and so in all that tests start
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["eventlet"] = None  # Sentry's SDK imports it where it is installed, and then it warns of each fork
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(10**6)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep Python's search for garbage off what is collected: an eighth of all that quick tests compute."""
    gc.disable()
    collected = yield
    gc.collect()
    gc.freeze()
    gc.enable()
    return collected


def pytest_report_header(config: pytest.Config) -> str | None:
    return f"random schedule: --seed {config.option.seed}" if config.option.faults else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_turn)
    if not config.option.faults:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


LONG_ONES = ("scripts", "faults", "browser", "behaviours")
"""The folders whose tests come first: of those that run in parallel, none is then left alone with one of them."""


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return LONG_ONES.index(folder) if folder in LONG_ONES else len(LONG_ONES)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes run tests in parallel: more than there are cores, as tests wait a lot.

    Each takes a GB with its server. One that was given is for one process, since tests let servers fail.
    """
    if os.environ.get("MONGOJOBS_TEST_URI"):
        return 0
    return min((os.cpu_count() or 2) * 2, 8)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what tests of faults counted, which comes with their reports, from whichever process."""
    torn_down = [report for report in terminalreporter.stats.get("", []) if report.when == "teardown"]
    verdicts = [
        (report.nodeid.split("::", 1)[1], verdict)
        for report in torn_down
        for name, verdict in report.user_properties
        if name == "verdict"
    ]
    if verdicts:
        terminalreporter.section(f"faults: what was counted, with --seed {config.option.seed}")
        terminalreporter.write_line(f"{'jobs':>7} {'runs':>7} {'lost':>5} {'extra':>6} {'standstill':>11}  test")
    row = "{jobs:>7} {runs:>7} {lost:>5} {extra_runs:>6} {standstill:>9.1f} s  {test}"
    for test, verdict in verdicts:
        terminalreporter.write_line(row.format(test=test, **verdict))


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep coverage out of the threads and processes that the test starts.

    On CPython 3.11 all traced threads stand still while one that sits in C has an exception to take, as at a stop.
    """
    monkeypatch.delenv(COVERAGE, raising=False)
    measuring = Coverage.current()
    if measuring is None:
        yield
        return
    measuring.stop()
    yield
    measuring.start()


@pytest.fixture(scope="session")
def mongod() -> Iterator[Server]:
    """A real server, a replica set of one, shared by all tests of this process; one that kills nodes starts its own."""
    with Server(replica_set=1, quick=True) as server:
        yield server


@pytest.fixture(scope="session")
def administrator(mongod: Server) -> Iterator[MongoClient]:
    """A client that outlives the tests, to clean up after them.

    As long as it lives the server deletes nothing by itself: tests put documents into the past.
    """
    with MongoClient(mongod.uri) as client:
        client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
        yield client
        client.admin.command("setParameter", 1, ttlMonitorEnabled=True)


@pytest.fixture(scope="session")
def databases(administrator: MongoClient) -> Iterator[Databases]:
    """The databases of the tests of this process."""
    databases = Databases(administrator)
    yield databases
    databases.drop()


@pytest.fixture
def indexes() -> None:
    """Whatever asks for this finds all indexes in the database of the test, which took no time to make."""


@pytest.fixture
def mongo_uri(mongod: Server, databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URI of a database that only this test uses, which is empty, or has all `indexes` where they are asked for."""
    lent = databases.indexed() if "indexes" in request.fixturenames else databases.empty()
    with lent as database:
        yield with_database(mongod.uri, database)


@pytest.fixture
def client(mongo_uri: str) -> Iterator[MongoClient]:
    """A client whose default database is this test's own."""
    with MongoClient(mongo_uri) as client:
        yield client


@pytest.fixture(autouse=True)
def _documents() -> Iterator[None]:
    """Undo what a test did to documents: each name stands for the same class again, and no class has a collection yet.

    MongoEngine forgets collections as it disconnects, but only for the last class of each name.
    """
    before = dict(_document_registry)
    yield
    _document_registry.update(before)
    _detach(mongoengine.Document)


@pytest.fixture(autouse=True)
def _declared() -> Iterator[None]:
    """Undo what a test did to who enqueues, as frameworks do, and to the schedules that code declares."""
    provider, known = current._default[:], dict(schedules._declared)
    yield
    current._default[:] = provider
    schedules._declared = known


def _detach(cls: type[mongoengine.Document]) -> None:
    for document in cls.__subclasses__():
        document._disconnect()
        _detach(document)


@pytest.fixture
def connection(mongo_uri: str) -> Iterator[MongoClient]:
    """MongoEngine's default connection, to this test's own database; all its connections end afterwards."""
    yield mongoengine.connect(host=mongo_uri, uuidRepresentation="standard")
    mongoengine.disconnect_all()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The URI of something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"mongodb://127.0.0.1:{server.getsockname()[1]}/silent"
