"""Behind mongos: an unsharded collection, which is recommended, and one sharded by queue with one queue a worker."""

from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import pytest
from pymongo import MongoClient

from mongojobs import MongoJobs
from mongojobs.core.settings import Settings
from mongojobs.store.indexes import check_indexes, create_indexes
from mongojobs.store.jobs import open_store
from tests.support.command_line import run
from tests.support.jobs import a_job
from tests.support.mongod import ShardedCluster, with_database
from tests.support.rig import app as jobs
from tests.support.sample_jobs import recorder, remember_one
from tests.support.sessions import needs_bound_sessions
from tests.support.spy import Spy
from tests.support.stores import reserve
from tests.support.waiting import eventually, promptly
from tests.support.working import working

pytestmark = pytest.mark.faults

QUEUES = ("east", "west")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def cluster():
    with ShardedCluster(own=True) as cluster:
        yield cluster


@pytest.fixture(params=["unsharded", "by_queue"])
def layout(request):
    return request.param


@pytest.fixture
def database(cluster, layout, request):
    """A database of this test's own, whose jobs are laid out as *layout* says."""
    database = f"{layout}_{abs(hash(request.node.nodeid)) % 10**9}"
    {"unsharded": lambda: None, "by_queue": partial(cluster.spread, database, "delayed_jobs", *QUEUES)}[layout]()
    return database


@pytest.fixture
def uri(cluster, database):
    return with_database(cluster.uri, database)


def to_queue(queue, number):
    return jobs.takes.options(queue=queue).delay(number, 0.02)


def failing_in(queue, number):
    return jobs.fails_at_first.options(queue=queue).delay(number)


def run_one(number):
    remember_one.delay(number)
    eventually(lambda: len(recorder.deeds) == number)


class TestWorkersBehindMongos:
    def test_lose_nothing_and_run_nothing_twice_when_one_is_killed(self, rig_on, uri):
        rig = rig_on(uri)
        calls = [partial(call, queue) for queue in QUEUES for call in (to_queue, failing_in)]
        for queue in QUEUES:
            rig.work("--queues", queue, "--threads", "2")
        with rig.load(*calls, pause_seconds=0.15):
            victim = rig.work("--queues", QUEUES[0], "--threads", "2")
            rig.wait_for_ends(40)
            in_flight = rig.kill(victim)
            rig.wait_for_ends(40)

        verdict = rig.check()

        assert verdict.extra_runs <= in_flight

    @pytest.mark.parametrize("layout", ["unsharded"], indirect=True)
    def test_run_each_job_soon_though_a_shard_idles_that_would_have_to_tell(self, uri):
        recorder.clear()
        with closing(MongoJobs(Settings(uri=uri))) as app, app.active(), working(app=app), promptly():
            [run_one(number) for number in range(1, 7)]

    def test_run_a_given_id_once_in_its_queue(self, rig_on, uri):
        rig = rig_on(uri)
        again = jobs.quick.options(queue=QUEUES[0], job_id="once")
        rig.enqueue(again.delay)
        with rig.app.active():
            again.delay(1)
        rig.work("--queues", QUEUES[0])

        verdict = rig.check()

        assert verdict.runs == 1

    @needs_bound_sessions
    @pytest.mark.parametrize("layout", ["unsharded"], indirect=True)
    def test_end_a_job_with_what_it_wrote_in_its_transaction(self, uri):
        environ = {"SAMPLE_URI": uri, "MONGOJOBS_APP": "tests.support.transacting_app"}
        with MongoClient(uri) as client:
            database = client.get_default_database()
            database.create_collection("orders")
            for name in ("orders", "orders_and_fails"):
                run("enqueue", f"tests.support.transacting_app.{name}", "--args", "[7]", environ=environ)

            run("workoff", environ=environ)

            assert database.orders.count_documents({}) == 1
            assert sorted(job["name"].rpartition(".")[2] for job in database.delayed_jobs.find()) == [
                "orders_and_fails"
            ]


@pytest.fixture
def plans(uri):
    """Explains what a store with 2,000 jobs of two queues sends; yields the store and the plans."""
    found = []
    with MongoClient(uri) as asking, MongoClient(uri, event_listeners=[spy := Spy()]) as client:
        store = open_store(client, client.get_default_database().name, Settings())
        create_indexes(store.collection)
        store.insert_many([a_job(queue=QUEUES[number % 2], run_at=LONG_AGO) for number in range(2000)])
        spy.look = lambda event: found.append(explain_reserve(asking, event))
        yield store, found


def explain_reserve(client, event):
    """Return how many shards a command reaches, and how many keys they read."""
    answer = client[event.database_name].command("explain", explained(event), verbosity="executionStats")
    return len(answer["queryPlanner"]["winningPlan"]["shards"]), answer["executionStats"]["totalKeysExamined"]


def explained(event):
    kept = ("find", "findAndModify", "update", "query", "filter", "sort", "limit", "projection", "hint", "updates")
    return {key: value for key, value in event.command.items() if key in (*kept, "new", "update")}


class TestAReserveOfOneQueue:
    @pytest.mark.parametrize("limit", [1, 50])
    def test_asks_one_shard_and_reads_a_key_for_each_job(self, plans, limit):
        store, found = plans

        taken = reserve(store, limit, queues=(QUEUES[0],))

        shards, keys = found[0]
        assert len(taken) == limit
        assert shards == 1
        assert keys <= limit + 3


class TestCreateIndexes:
    @pytest.mark.parametrize("layout", ["by_queue"], indirect=True)
    def test_says_what_cannot_be_had_on_a_sharded_collection(self, uri):
        told = run("create-indexes", "-A", "tests.support.rig.app", environ={"SAMPLE_URI": uri})

        assert told.returncode == 0
        assert "Sharded: no index can keep a job_id unique over several shards" in told.stderr
        assert "Sharded: no index can keep a unique_key unique over several shards" in told.stderr
        assert "unique:" not in told.stdout
        assert "Sharded: a worker that does not work on exactly one queue asks every shard" in told.stderr

    @pytest.mark.parametrize("layout", ["unsharded"], indirect=True)
    def test_has_nothing_to_say_of_an_unsharded_one(self, uri):
        told = run("create-indexes", "-A", "tests.support.rig.app", environ={"SAMPLE_URI": uri})

        assert (told.returncode, told.stderr) == (0, "")

    def test_changes_nothing_the_second_time(self, uri):
        with MongoClient(uri) as client:
            collection = open_store(client, client.get_default_database().name, Settings()).collection
            create_indexes(collection)

            assert check_indexes(collection).is_complete
