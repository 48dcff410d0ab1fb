"""What the fault tests share: the rig, servers that may be harmed, and a table of figures at the end."""

from dataclasses import asdict

import pytest

import mongojobs
from tests.support.command_line import Process
from tests.support.mongod import Server, with_database
from tests.support.rig import Rig, planted


@pytest.fixture
def ledger(tmp_path):
    """A file that jobs note their runs in."""
    path = tmp_path / "ledger"
    path.touch()
    return path


@pytest.fixture
def app(connection):
    """The default app, with its indexes, on the server of all tests."""
    app = mongojobs.configure(retry_jitter=0)
    app.create_indexes()
    yield app
    mongojobs.configure()


@pytest.fixture
def worker_environ():
    """The settings of workers that are processes; a test module overrides them with its own fixture."""
    return {"MONGOJOBS_LEASE": "3", "MONGOJOBS_HEARTBEAT": "0.5"}


@pytest.fixture
def start(mongo_uri, tmp_path, worker_environ):
    """Starts workers with short leases, as processes, and ends them with the test."""
    started = []

    def start(*arguments, **environ):
        folder = tmp_path / f"worker_{len(started)}"
        folder.mkdir()
        app = {"SAMPLE_URI": mongo_uri, "MONGOJOBS_APP": "tests.support.fault_app"}
        started.append(Process(*arguments, folder=folder, environ=app | worker_environ | environ))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def plant(monkeypatch):
    """Plants a fault of ``tests.support.rig.planted`` in this process, until the test is over."""
    monkeypatch.setattr(planted, "_replace", monkeypatch.setattr)
    return planted.plant


@pytest.fixture
def seconds_to_leave(request):
    """How long after its grace a worker may take to be gone: the 3 s of the promise with ``--faults -n 0`` only."""
    is_beside_others = hasattr(request.config, "workerinput")
    return 3 if request.config.option.faults and not is_beside_others else 20


@pytest.fixture
def rig_on(tmp_path, record_property, seconds_to_leave):
    """Makes rigs on the database of a URI, and ends them with the test; what they counted is shown at the end."""
    rigs = []

    def make(uri, **settings):
        folder = tmp_path / f"rig{len(rigs)}"
        folder.mkdir()
        rigs.append(Rig(uri, folder, seconds_to_leave=seconds_to_leave, **settings))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.end()
        if rig.verdict is not None:
            record_property("verdict", asdict(rig.verdict))


@pytest.fixture
def rig(mongo_uri, rig_on):
    """A rig on the server of all tests; it ends before its database is dropped, and so comes after it."""
    return rig_on(mongo_uri)


@pytest.fixture(scope="package")
def trio():
    """A replica set of three nodes for tests to harm; each test must leave all three running."""
    with Server(replica_set=3, own=True, quick=True) as server:
        yield server


@pytest.fixture
def trio_uri(trio, request):
    """A database of this test's own on the three nodes; the test begins with all of them there."""
    trio.wait_until_complete()
    return with_database(trio.uri, f"jobs_{abs(hash(request.node.nodeid)) % 10**9}")
