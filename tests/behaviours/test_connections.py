"""Where the jobs are: which connection an app takes, and what a worker opens for itself."""

import warnings
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import dns.resolver
import mongoengine
import pytest
from pymongo import MongoClient
from pymongo.server_api import ServerApi

import mongojobs
from mongojobs import ConnectionMissingError, MongoJobs, Settings, StoreUnavailableError, Worker
from mongojobs.core.notices import DatabaseAway, Warned, WorkerStarted
from mongojobs.store import clients
from tests.support.command_here import run_here
from tests.support.failpoints import failing
from tests.support.sample_jobs import remember_one
from tests.support.waiting import eventually
from tests.support.worker_parts import Told
from tests.support.working import work_off, working


@pytest.fixture
def nowhere(monkeypatch):
    """No platform names a database, and MongoEngine has no connection."""
    for variable in ("MONGODB_URI", "MONGODB_URL", "MONGO_URL", "MONGO_URI"):
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


@pytest.fixture
def connected():
    """Connect MongoEngine with options; all ends with the test, and the default app is as before."""
    yield partial(mongoengine.connect, uuidRepresentation="standard")
    mongoengine.disconnect_all()
    mongojobs.configure()


class TestALink:
    @pytest.mark.parametrize("variable", ["MONGODB_URI", "MONGO_URL", "ORMONGO_RS_URL"])
    def test_is_what_the_platform_names(self, nowhere, mongo_uri, variable):
        nowhere.setenv(variable, mongo_uri)
        app = MongoJobs(Settings(db_alias="no such alias"))

        with app.active():
            job = remember_one.delay(1)

        assert app.link.source == variable
        assert app.get(job.id) is not None
        app.close()

    @pytest.mark.parametrize("blanks", [" {}", "{}\n", "\t{} \r\n"])
    def test_is_found_between_blanks(self, nowhere, mongo_uri, client, blanks):
        nowhere.setenv("MONGODB_URI", blanks.format(mongo_uri))
        by_platform = MongoJobs(Settings(db_alias="no such alias"))
        by_setting = MongoJobs(Settings(uri=blanks.format(mongo_uri)))

        with by_platform.active():
            job = remember_one.delay(1)

        assert by_setting.get(job.id) == job
        assert client.get_default_database()["delayed_jobs"].count_documents({}) == 1
        by_platform.close()
        by_setting.close()

    def test_is_to_the_database_that_the_driver_reads_in_the_uri(self, mongo_uri):
        app = MongoJobs(Settings(uri=mongo_uri.replace("?", ".jobs?")))

        assert mongo_uri.count(app.link.database) == 1
        app.close()

    def test_may_have_a_database_with_blanks_around_it(self, connection):
        assert MongoJobs(Settings(database="elsewhere\n")).link.database == "elsewhere"

    def test_is_the_setting_before_mongoengine(self, connection, mongo_uri):
        app = MongoJobs(Settings(uri=mongo_uri))

        assert app.link.client is not connection
        app.close()

    def test_is_mongoengine_before_the_platform(self, connection, monkeypatch):
        monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1/elsewhere")

        app = MongoJobs()

        assert app.link.client is connection

    def test_may_be_another_alias_of_mongoengine(self, connection, mongo_uri):
        second = mongoengine.connect(alias="second", host=mongo_uri, uuidRepresentation="standard")

        app = MongoJobs(Settings(db_alias="second"))

        assert app.link.client is second

    def test_follows_mongoengine_when_that_reconnects(self, app, connection, mongo_uri):
        before = remember_one.delay("before")
        mongoengine.disconnect_all()
        anew = mongoengine.connect(host=mongo_uri, uuidRepresentation="standard")

        after = remember_one.delay("after")

        assert {job.id for job in app.reader.find()} == {before.id, after.id}
        assert app.link.client is anew

    def test_is_missing_once_mongoengine_is_disconnected(self, app, nowhere, connection):
        remember_one.delay("before")
        mongoengine.disconnect_all()

        with pytest.raises(ConnectionMissingError, match=r"mongoengine\.connect"):
            remember_one.delay("after")

    def test_may_have_another_database(self, connection):
        app = MongoJobs(Settings(database="mongojobs_test_elsewhere"))

        assert app.store.collection.database.name == "mongojobs_test_elsewhere"

    def test_that_leads_nowhere_is_reported(self, nowhere):
        with pytest.raises(ConnectionMissingError):
            MongoJobs(Settings(db_alias="no such alias")).link  # noqa: B018 - looks for it

    def test_is_looked_for_once(self, connection):
        app = MongoJobs()

        assert app.link is app.link


class TestAWorker:
    def test_opens_clients_of_its_own(self, app, connection, recorder):
        seen = []
        app.lifecycle.before("perform", lambda *_: seen.append(clients_at(connection)))
        remember_one.delay(1)

        work_off()

        assert {"mongojobs", "mongojobs-heartbeat"} <= seen[0]
        eventually(lambda: not {"mongojobs", "mongojobs-heartbeat"} & clients_at(connection))

    def test_shares_the_client_that_was_handed_over_and_warns(self, client, configure, recorder):
        configure(client=client)
        remember_one.delay(1)

        with pytest.warns(UserWarning, match="shares the app's MongoDB client, as it knows no URI .*: set MONGOJOBS"):
            assert work_off() == (1, 0)

    def test_names_the_unsafe_options_of_a_client_that_was_handed_over(self, mongo_uri, configure):
        with MongoClient(mongo_uri, retryWrites=False, socketTimeoutMS=5000) as unsafe:
            configure(client=unsafe)

            with pytest.warns(UserWarning, match=r"unsafe options: retryWrites=false, socketTimeoutMS"):
                work_off()


ODD_OPTIONS = {
    "one_connection": {"maxPoolSize": 1},
    "a_time_limit": {"timeoutMS": 300},
    "a_socket_time_limit": {"socketTimeoutMS": 300},
    "a_strict_api": {"server_api": ServerApi("1", strict=True)},
    "reads_from_secondaries": {"readPreference": "secondary", "readConcernLevel": "linearizable"},
    "no_retries": {"retryWrites": False, "retryReads": False},
    "little_patience": {"serverSelectionTimeoutMS": 1, "waitQueueTimeoutMS": 1},
}


class TestAWorkerOfAnAppWithOddOptions:
    @pytest.mark.parametrize("options", ODD_OPTIONS.values(), ids=ODD_OPTIONS)
    def test_listens_and_runs_what_comes_while_it_is_idle(self, mongo_uri, connected, recorder, options):
        connected(host=mongo_uri, **options)
        app = mongojobs.configure(sleep_delay=60)
        enqueuer = MongoJobs(Settings(uri=mongo_uri))
        enqueuer.create_indexes()
        told = Told()
        app.lifecycle.on_notice(told.notify)

        with working(app=app) as shift:
            eventually(lambda: shift.worker._loop and shift.worker._loop.wakeup.is_listening)
            with enqueuer.active():
                remember_one.delay(1)
            eventually(lambda: recorder.deeds)

        assert told.of(Warned) == told.of(DatabaseAway) == []
        enqueuer.close()


class TestAWorkerThatIsRefused:
    @pytest.mark.parametrize("code", [13, 20, 323, 8000])
    def test_says_so_at_once_and_ends(self, app, administrator, code):
        refusing = failing(administrator, "find", errorCode=code, appname="mongojobs", times=100)

        with refusing, pytest.raises(StoreUnavailableError, match="the database refused") as raised:
            Worker().start()

        assert raised.value.refused

    def test_later_on_tells_it_as_a_refusal_and_goes_on(self, configure, administrator, recorder, caplog):
        configure(sleep_delay=0.2)

        with working() as shift:
            eventually(lambda: shift.worker._parts)
            with failing(administrator, "findAndModify", "aggregate", "find", errorCode=13, times=1000):
                eventually(lambda: "Refused by the database while reserving" in caplog.text)
            remember_one.delay(1)
            eventually(lambda: recorder.deeds)


class TestAReadingCommand:
    @pytest.mark.parametrize("command", [("status",), ("top", "--once"), ("jobs", "list"), ("workers", "list")])
    def test_does_not_wait_long_for_the_database(self, monkeypatch, silent_server, command):
        asked, find_server = [], clients.find_server

        def find(client, patience):
            asked.append(patience)
            find_server(client, patience)

        monkeypatch.setattr(clients, "find_server", find)

        answer = run_here(*command, MONGOJOBS_URI=silent_server)

        assert answer.exit_code == 4
        assert asked == [timedelta(seconds=1.5)]


class TestAWorkerThatLeavesWhenNothingIsDue:
    @pytest.fixture
    def app(self, configure):
        return configure(exit_on_complete=True, enqueue_timeout=1)

    def test_waits_no_longer_than_an_enqueue_for_a_database_that_is_away(self, app, silent_server):
        away = MongoJobs(Settings(uri=silent_server, exit_on_complete=True, enqueue_timeout=1))

        with pytest.raises(StoreUnavailableError, match="no server answers"):
            Worker(app=away).start()

        away.close()

    def test_gives_up_on_a_database_that_goes_away(self, app, administrator):
        away = failing(administrator, "find", "aggregate", "findAndModify", closeConnection=True, times=10_000)

        with ExitStack() as outage:
            app.lifecycle.on_notice(
                lambda notice: outage.enter_context(away) if isinstance(notice, WorkerStarted) else None
            )
            with pytest.raises(StoreUnavailableError, match="not available"):
                Worker().start()


class TestAWorkerWhoseNameServiceIsAway:
    def test_waits_for_it(self, nowhere, monkeypatch):
        asked = []

        def resolve_later(*arguments, **options):
            asked.append(arguments)
            raise dns.resolver.NoNameservers

        monkeypatch.setattr(dns.resolver, "resolve", resolve_later)
        app = mongojobs.configure(uri="mongodb+srv://cluster.example.org/shop")
        told = Told()
        app.lifecycle.on_notice(told.notify)

        with working(app=app):
            eventually(lambda: len(asked) > 2)

        assert [notice.refused for notice in told.of(DatabaseAway)] == [False]
        app.close()
        mongojobs.configure()


class TestAWorkerThatSharesAClient:
    @pytest.mark.parametrize("option", ["maxPoolSize", "timeoutMS"])
    def test_looks_for_jobs_by_itself_where_a_stream_would_hold_it_up(self, mongo_uri, configure, option):
        with MongoClient(mongo_uri, **{option: 2}) as shared:
            app = configure(client=shared)

            with pytest.warns(UserWarning, match=rf"unsafe options: {option}"):
                connections = app.connect_worker(app.settings)

        assert connections.open_stream is None


class TestAWeakWriteConcern:
    def test_is_warned_of_once(self, connection):
        app = MongoJobs(Settings(write_concern=1))

        with pytest.warns(UserWarning, match="write_concern is 1: a failover can lose jobs"):
            app.store  # noqa: B018 - opens it
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            app.store  # noqa: B018 - is open


def clients_at(connection):
    """Return the names of all programs that are connected to the server now."""
    operations = connection.admin.aggregate([{"$currentOp": {"allUsers": True, "idleConnections": True}}])
    return {operation.get("appName") for operation in operations}
