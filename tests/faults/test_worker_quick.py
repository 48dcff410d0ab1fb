"""Faults that a worker survives within seconds: a database that goes away, processes that die or freeze."""

import threading
import time
from signal import Signals

import pytest

import mongojobs
from mongojobs.core.notices import DatabaseAway, DatabaseBack
from tests.support import fault_app, worker_jobs
from tests.support.mongod import Server, with_database
from tests.support.stores import reader
from tests.support.waiting import eventually
from tests.support.worker_jobs import crowd, gates, runs
from tests.support.worker_parts import Told
from tests.support.working import working

pytestmark = pytest.mark.faults

GRACE = 1


@pytest.fixture(scope="module")
def shaky():
    """A server that tests pause and kill."""
    with Server(replica_set=1, own=True, quick=True) as server:
        yield server


@pytest.fixture
def node(shaky):
    """The server's only node; it runs again afterwards."""
    [node] = shaky.nodes
    yield node
    node.resume()
    shaky.wait_for_primary()


@pytest.fixture
def app(shaky, request):
    """An app on the shaky server, with short leases unless told otherwise; its notices are kept in ``app.told``."""
    lease = getattr(request, "param", 4)
    settings = mongojobs.Settings(
        uri=with_database(shaky.uri, "jobs"), retry_jitter=0, lease=lease, heartbeat=0.5, shutdown_timeout=GRACE
    )
    app = mongojobs.MongoJobs(settings)
    app.create_indexes()
    app.store.collection.delete_many({})
    app.told = Told()
    app.lifecycle.on_notice(app.told.notify)
    with app.active():
        yield app
    app.close()


@pytest.fixture(autouse=True)
def _clean_slate():
    crowd.clear()
    runs.clear()
    gates.clear()


def workers_of(app):
    return app.store.collection.database["delayed_jobs_workers"]


def is_idle(app):
    return app.store.collection.count_documents({"state": {"$in": ["ready", "running"]}}) == 0


longer_than_an_outage = pytest.mark.parametrize("app", [pytest.param(30, id="30 s lease")], indirect=True)
"""A lease that no busy machine uses up until its server is there again."""


class TestADatabaseThatGoesAway:
    @longer_than_an_outage
    def test_and_comes_back_costs_no_job_and_no_second_run(self, app, node, shaky):
        worker_jobs.stays.delay_many([(str(number), 0.01) for number in range(200)])

        with working(app=app, threads=2):
            eventually(lambda: crowd.ended > 20)
            node.kill()
            threading.Event().wait(1)
            node.restart()
            shaky.wait_for_primary()
            eventually(lambda: is_idle(app))

        assert crowd.ended == 200

    def test_is_reported_once_and_so_is_its_end(self, app, node, shaky):
        worker_jobs.stays.delay_many([(str(number), 0.01) for number in range(200)])

        with working(app=app, threads=2):
            eventually(lambda: crowd.ended > 20)
            node.kill()
            eventually(lambda: app.told.of(DatabaseAway))
            threading.Event().wait(1)
            node.restart()
            shaky.wait_for_primary()
            eventually(lambda: is_idle(app))
            eventually(lambda: app.told.of(DatabaseBack))

        assert len(app.told.of(DatabaseAway)) == len(app.told.of(DatabaseBack)) == 1

    @longer_than_an_outage
    def test_for_less_than_a_lease_by_hanging_costs_no_second_run(self, app, node):
        worker_jobs.stays.delay_many([(str(number), 0.01) for number in range(200)])
        worker_jobs.stays.delay("long", 4)

        with working(app=app, threads=2):
            eventually(lambda: crowd.ended > 20)
            node.pause()
            threading.Event().wait(2)
            node.resume()
            eventually(lambda: is_idle(app))

        assert crowd.ended == 201

    def test_for_longer_than_a_lease_makes_running_jobs_know_that_they_are_lost(self, app, node):
        worker_jobs.notices_its_loss.delay()

        with working(app=app):
            eventually(lambda: runs == ["began"])
            node.pause()
            eventually(lambda: "lost" in runs)
            node.resume()
            eventually(lambda: is_idle(app))

        assert runs[:2] == ["began", "lost"]

    def test_before_the_worker_starts_is_waited_for(self, app, node, shaky):
        worker_jobs.counts.delay(1)
        node.kill()

        with working(app=app, name="early"):
            threading.Event().wait(1)
            node.restart()
            shaky.wait_for_primary()
            eventually(lambda: runs == [1])


class TestAStopWithoutADatabase:
    @pytest.mark.parametrize("fault", ["kill", "pause"])
    def test_ends_within_the_grace_and_three_seconds(self, app, node, shaky, fault, seconds_to_leave):
        worker_jobs.stays.delay("long", 40)
        worker_jobs.stays.delay_many([(str(number), 0.01) for number in range(100)])

        with working(app=app, threads=2) as shift:
            eventually(lambda: "long" in crowd.names and crowd.ended > 20)
            getattr(node, fault)()
            threading.Event().wait(0.3)
            begun = time.monotonic()
            status = shift.end()
            took = time.monotonic() - begun
        {"kill": node.restart, "pause": node.resume}[fault]()
        shaky.wait_for_primary()

        assert status == 0
        assert took < GRACE + seconds_to_leave

    def test_while_idle_ends_soon(self, app, node, seconds_to_leave):
        with working(app=app) as shift:
            eventually(lambda: workers_of(app).find_one({"_id": shift.worker.name}))
            node.pause()
            threading.Event().wait(0.3)
            begun = time.monotonic()
            status = shift.end()
            took = time.monotonic() - begun
            node.resume()

        assert status == 0
        assert took < seconds_to_leave

    def test_while_connecting_ends_soon(self, app, node, seconds_to_leave):
        node.pause()

        with working(app=app) as shift:
            threading.Event().wait(0.3)
            begun = time.monotonic()
            status = shift.end()
            took = time.monotonic() - begun
            node.resume()

        assert status == 0
        assert took < seconds_to_leave

    @pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGINT])
    def test_ends_a_process_that_is_connecting_soon(self, app, node, start, number, seconds_to_leave):
        node.pause()
        process = start("work", SAMPLE_URI=app.settings.uri)
        process.says("Jobs: delayed_jobs")
        threading.Event().wait(0.3)

        begun = time.monotonic()
        process.send(number)
        status = process.wait()
        took = time.monotonic() - begun

        assert status == 0
        assert took < seconds_to_leave
        assert "Exiting..." in process.output

    def test_hands_back_what_it_could_not_while_the_database_was_away(self, app, node):
        job = worker_jobs.stays.delay("long", 20)

        with working(app=app, shutdown_timeout=2) as shift:
            eventually(lambda: crowd.names == ["long"])
            node.pause()
            shift.worker.stop()
            threading.Event().wait(1)
            node.resume()
            status = shift.end()

        assert status == 0
        handed_back = app.get(job.id)
        assert (handed_back.state, handed_back.releases, handed_back.losses) == ("ready", 1, 0)


@pytest.fixture
def near(connection):
    """The default app, on the server of all tests."""
    yield mongojobs.configure(retry_jitter=0)
    mongojobs.configure()


class Neighbourhood:
    """Adds fifty harmless jobs each time a killer job has killed, and lets it run again at once."""

    def __init__(self, app, ledger, killer):
        self._app = app
        self._ledger = str(ledger)
        self._killer = killer
        self.deaths = set()
        self.count = 0

    def look(self):
        found = self._app.get(self._killer.id)
        if found.losses not in self.deaths and found.state == "ready":
            self.deaths.add(found.losses)
            fault_app.harmless.delay_many([(self._ledger, self.count + number) for number in range(50)])
            self.count += 50
            due = {"$set": {"run_at": self._killer.run_at}}
            self._app.store.collection.update_one({"_id": self._killer.id, "state": "ready"}, due)
        return found.has_failed


class TestAKillerJob:
    def test_is_failed_and_its_neighbours_complete_however_often_it_kills(self, near, ledger, start):
        killer = fault_app.kills_its_worker.delay(str(ledger))
        neighbourhood = Neighbourhood(near, ledger, killer)
        neighbourhood.look()

        start("work", "--processes", "2", MONGOJOBS_MAX_LOSSES="4", MONGOJOBS_LEASE="2")
        eventually(neighbourhood.look, seconds=60)
        eventually(lambda: len(reader(near.store).find(limit=500)) == 1)

        failed = near.get(killer.id)
        assert (failed.state, failed.losses, failed.attempts) == ("failed", 4, 0)
        assert {0, 2, 3} <= neighbourhood.deaths
        harmless = {line for line in ledger.read_text().splitlines() if line.startswith("harmless")}
        assert harmless == {f"harmless {number}" for number in range(neighbourhood.count)}


class TestAFrozenWorker:
    @pytest.mark.behaviour("X5")
    @pytest.mark.parametrize("end", ["fails", "renews"])
    def test_beyond_its_lease_changes_nothing_when_it_wakes(self, near, ledger, start, end):
        job = fault_app.freezes_its_first_worker_and.delay(str(ledger), end)

        frozen = start("work")
        eventually(lambda: "started with 0 losses" in ledger.read_text())
        start("work")
        eventually(lambda: "started with 1 losses" in ledger.read_text())
        held = near.get(job.id)
        frozen.send(Signals.SIGCONT)
        frozen.says("is no longer ours")

        now = near.get(job.id)
        assert (now.state, now.lock_token, now.attempts) == ("running", held.lock_token, 0)
        assert ledger.read_text().count("started") == 2


class TestAKilledWorker:
    def test_gives_its_job_to_another_within_lease_and_interval(self, near, ledger, start, seconds_to_leave):
        job = fault_app.freezes_its_first_worker_and.delay(str(ledger), "dies")
        first = start("work")
        eventually(lambda: "started with 0 losses" in ledger.read_text())
        other = start("work")
        other.says("Starting job worker")

        first.send(Signals.SIGKILL)
        begun = time.monotonic()
        eventually(lambda: "started with 1 losses" in ledger.read_text())

        assert time.monotonic() - begun < 3 + 3 / 4 + seconds_to_leave
        rescued = near.get(job.id)
        assert (rescued.losses, rescued.attempts) == (1, 0)
