"""Where the jobs are: which connection an app takes, and what a worker opens for itself."""

import warnings

import mongoengine
import pytest
from pymongo import MongoClient

from mongojobs import ConnectionMissingError, MongoJobs, Settings
from tests.support.sample_jobs import remember_one
from tests.support.waiting import eventually
from tests.support.working import work_off


@pytest.fixture
def nowhere(monkeypatch):
    """No platform names a database, and MongoEngine has no connection."""
    for variable in ("MONGODB_URI", "MONGODB_URL", "MONGO_URL", "MONGO_URI"):
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


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

    def test_follows_mongoengine_when_that_connects_anew(self, app, connection, mongo_uri):
        before = remember_one.delay("before")
        mongoengine.disconnect_all()
        anew = mongoengine.connect(host=mongo_uri, uuidRepresentation="standard")

        after = remember_one.delay("after")

        assert {job.id for job in app.store.find()} == {before.id, after.id}
        assert app.link.client is anew

    def test_is_missing_once_mongoengine_is_disconnected(self, app, nowhere, connection):
        remember_one.delay("before")
        mongoengine.disconnect_all()

        with pytest.raises(ConnectionMissingError, match=r"mongoengine\.connect"):
            remember_one.delay("after")

    def test_may_have_another_database(self, connection):
        app = MongoJobs(Settings(database="mongojobs_test_elsewhere"))

        assert app.store.collection.database.name == "mongojobs_test_elsewhere"

    def test_that_leads_nowhere_is_told(self, nowhere):
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

            with pytest.warns(UserWarning, match=r"unsafe option\(s\) retryWrites=false, socketTimeoutMS"):
                work_off()


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
