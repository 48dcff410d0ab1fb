"""Connections: what kind of server answers, whose clock it is, and what is never shown."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import mongomock
import pytest
from pymongo import MongoClient

from mongojobs.core.clock import ServerClock
from mongojobs.core.errors import ConfigurationError, ServerTooOldError
from mongojobs.core.settings import Settings
from mongojobs.store import clients
from tests.support.mongod import Server

SECRET = "c4nary"


class TestOpenClient:
    def test_repeats_writes_and_sets_no_time_limit_whatever_the_uri_says(self, mongo_uri):
        joint = "&" if "?" in mongo_uri else "?"
        hasty = f"{mongo_uri}{joint}retryWrites=false&socketTimeoutMS=5&timeoutMS=5"

        with clients.open_client(hasty, pool_size=1) as client:
            assert client.options.retry_writes
            assert client.options.timeout is None
            assert client.options.pool_options.socket_timeout is None
            assert client.options.pool_options.max_pool_size == 1
            assert client.options.pool_options.appname == "mongojobs"

    @pytest.mark.parametrize(
        "uri",
        [
            f"mongodb://user:{SECRET}:{SECRET}@localhost/db",
            f"mongodb://user:p/{SECRET}@localhost/db",
            f"mongodb://user:{SECRET}@local host:port/db",
            f"mongodb://user:{SECRET}@",
            f"user:{SECRET}",
            f"http://user:{SECRET}@localhost",
        ],
    )
    def test_of_a_malformed_uri_says_so_without_showing_it(self, uri):
        with pytest.raises(ConfigurationError, match="cannot be used") as raised:
            clients.open_client(uri)

        assert SECRET not in str(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__


class TestSafeUri:
    @pytest.mark.parametrize(
        ("uri", "shown"),
        [
            ("mongodb://localhost", "mongodb://localhost/"),
            (f"mongodb://user:{SECRET}@a.example:27017,b.example/db?w=1", "mongodb://a.example:27017,b.example/db"),
            (f"mongodb+srv://user:{SECRET}@cluster.example/db", "mongodb+srv://cluster.example/db"),
            ("mongodb://[::1]:27017/db", "mongodb://[::1]:27017/db"),
            (f"mongodb://user:{SECRET}", "(malformed)"),
            (f"mongodb://user:p@{SECRET}/x@host/db", "(malformed)"),
            (f"mongodb://user:{SECRET}?@host/db", "(malformed)"),
            (f"mongodb://user:{SECRET}#@host/db", "(malformed)"),
            (SECRET, "(malformed)"),
            ("", "(malformed)"),
        ],
    )
    def test_shows_hosts_and_database_and_never_more(self, uri, shown):
        assert clients.safe_uri(uri) == shown


class TestDatabaseName:
    @pytest.mark.parametrize(
        ("uri", "name"),
        [
            ("mongodb://localhost/app", "app"),
            ("mongodb://u:p@a,b:1/my%20app?replicaSet=x", "my app"),
            ("mongodb://localhost/?w=1", None),
            ("mongodb://localhost?w=1", None),
            ("mongodb://localhost", None),
            ("nonsense", None),
        ],
    )
    def test_is_the_one_in_the_uri(self, uri, name):
        assert clients.database_name(uri) == name


class TestJobsCollection:
    @pytest.mark.parametrize("kind", ["mongomock", "server"])
    def test_gives_aware_times_whatever_the_client_says(self, kind, request):
        client = mongomock.MongoClient() if kind == "mongomock" else request.getfixturevalue("client")
        jobs = clients.jobs_collection(client, Settings(), "jobs")
        jobs.insert_one({"_id": 1, "at": datetime(2030, 1, 1, tzinfo=UTC)})

        found = jobs.find_one({"_id": 1})
        jobs.drop()

        assert found["at"] == datetime(2030, 1, 1, tzinfo=UTC)

    def test_takes_its_name_and_durability_from_the_settings(self, client):
        jobs = clients.jobs_collection(client, Settings(collection="my_jobs", write_concern=2), "app")

        assert jobs.full_name == "app.my_jobs"
        assert jobs.write_concern.document == {"w": 2}

    def test_waits_in_enqueue_no_longer_than_allowed(self, client):
        settings = Settings(enqueue_timeout=3)
        jobs = clients.enqueue_handle(clients.jobs_collection(client, settings, "app"), settings)

        assert jobs.write_concern.document == {"w": "majority", "wtimeout": 3000}


class TestClientTime:
    def test_is_the_servers(self, client):
        moment = clients.ClientTime(client).server_time()

        assert moment.tzinfo is UTC
        assert abs(moment - ServerClock(clients.ClientTime(client)).now()) < timedelta(seconds=5)

    def test_is_unknown_on_mongomock(self):
        source = clients.ClientTime(mongomock.MongoClient())

        assert (source.server_time(), source.primary()) == (None, None)

    def test_is_unknown_while_no_server_answers(self):
        with MongoClient("mongodb://127.0.0.1:1", serverSelectionTimeoutMS=50) as away:
            assert clients.ClientTime(away).server_time() is None

    def test_names_the_node_that_takes_writes(self, client):
        source = clients.ClientTime(client)
        client.admin.command("ping")

        assert source.primary() == client.primary

    def test_looks_at_the_topology_only_when_it_changed(self, client):
        source = clients.ClientTime(client)
        client.admin.command("ping")
        source.primary()
        unchanged = client.topology_description

        class Watched:
            """The description as it was, which nobody may take apart again."""

            topology_description = unchanged

        source._client = Watched()

        assert source.primary() == client.primary


class TestTopology:
    def test_of_a_replica_set(self, mongo_uri):
        with MongoClient(mongo_uri) as client:
            assert clients.topology(client) == "replica set"

    def test_of_mongomock(self):
        assert clients.topology(mongomock.MongoClient()) == "mock"

    def test_of_a_standalone_server(self):
        with Server(replica_set=0, own=True) as server, MongoClient(server.uri) as client:
            assert clients.topology(client) == "standalone"


class TestCheckServer:
    def test_accepts_this_server_and_mongomock(self, client):
        clients.check_server(client)
        clients.check_server(mongomock.MongoClient())

    @pytest.mark.parametrize("version", ["5.0.31", "4.4.0"])
    def test_refuses_an_old_one_and_names_its_version(self, version):
        old = SimpleNamespace(server_info=lambda: {"version": version})

        with pytest.raises(ServerTooOldError, match=f"needs MongoDB 6.0 or newer, found {version}"):
            clients.check_server(old)

    @pytest.mark.parametrize("version", ["6.0.0", "10.0.1", "8.2.0-rc1"])
    def test_accepts_a_newer_one(self, version):
        clients.check_server(SimpleNamespace(server_info=lambda: {"version": version}))
