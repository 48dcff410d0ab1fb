"""Connections: what kind of server answers, whose clock it is, and what is never shown."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import mongomock
import pytest
from pymongo import MongoClient
from pymongo.server_api import ServerApi

from mongojobs.core.clock import ServerClock
from mongojobs.core.errors import ConfigurationError, ServerTooOldError
from mongojobs.core.settings import Settings
from mongojobs.store import clients
from tests.support.mongod import Server

SECRET = "c4nary"
NOBODY = "mongodb://127.0.0.1:1/app"


def described(client):
    """Return how a client treats its connections and the server."""
    pool, options = client.options.pool_options, client.options
    return (
        *(pool.socket_timeout, pool.connect_timeout, pool.wait_queue_timeout, pool.max_idle_time_seconds),
        *(pool.max_pool_size, pool.max_connecting, options.heartbeat_frequency, options.server_monitoring_mode),
        *(client.read_preference, client.read_concern, client.write_concern),
    )


HASTY = {
    "retryWrites": False,
    "retryReads": False,
    "socketTimeoutMS": 5,
    "timeoutMS": 5,
    "connectTimeoutMS": 1,
    "waitQueueTimeoutMS": 1,
    "maxIdleTimeMS": 1,
    "maxPoolSize": 1,
    "maxConnecting": 1,
    "heartbeatFrequencyMS": 600_000,
    "serverMonitoringMode": "poll",
    "readPreference": "secondary",
    "readPreferenceTags": "dc:far",
    "maxStalenessSeconds": 90,
    "readConcernLevel": "linearizable",
    "w": 0,
}


def in_the_uri(uri):
    """Return what an app reports when its URI has such options."""
    options = "&".join(f"{name}={str(value).lower()}" for name, value in HASTY.items())
    return f"{uri}{'&' if '?' in uri else '?'}{options}", {}


def beside_the_uri(uri):
    """Return what an app reports when it passes such options to ``connect``, in any letter case."""
    spelled = {name.lower(): value for name, value in HASTY.items() if name != "readPreferenceTags"}
    return uri, spelled | {"event_listeners": [], "server_selector": lambda servers: [], "tz_aware": True}


class TestOpenClient:
    @pytest.mark.parametrize("said", [in_the_uri, beside_the_uri])
    def test_is_as_a_worker_needs_it_whatever_the_app_says(self, mongo_uri, said):
        uri, told = said(mongo_uri)

        with clients.open_client(uri, told) as client, clients.open_client(mongo_uri) as usual:
            client.admin.command("ping")

            assert client.options.retry_writes
            assert client.options.retry_reads
            assert client.options.timeout is None
            assert client.options.pool_options.appname == "mongojobs"
            assert described(client) == described(usual)

    def test_has_the_pool_that_is_asked_for(self, mongo_uri):
        with clients.open_client(mongo_uri, {"maxPoolSize": 7}, pool_size=1) as client:
            assert client.options.pool_options.max_pool_size == 1

    @pytest.mark.parametrize(("told", "seconds"), [(1, 1), (2500, 2.5), (600_000, 10), ("soon", 10), (None, 10)])
    def test_looks_for_a_server_as_long_as_the_app_within_bounds(self, told, seconds):
        in_uri = "" if told is None else f"?serverSelectionTimeoutMS={told}"

        with clients.open_client(f"{NOBODY}{in_uri}") as by_uri:
            assert by_uri.options.server_selection_timeout == seconds
        with clients.open_client(NOBODY, {"serverselectiontimeoutms": told}) as by_keyword:
            assert by_keyword.options.server_selection_timeout == seconds

    def test_takes_over_what_identifies_and_secures_the_connection(self):
        uri = (
            "mongodb://me:p%40ss@127.0.0.1:1/app?authSource=users&tls=true&compressors=zlib&appName=shop&maxPoolSize=1"
        )
        told = {"authMechanism": "SCRAM-SHA-256", "replicaSet": "rs7", "tlsAllowInvalidHostnames": True}

        with clients.open_client(uri, told) as client:
            options = client.options

        credentials = options.pool_options._credentials
        assert (credentials.username, credentials.password, credentials.source) == ("me", "p@ss", "users")
        assert credentials.mechanism == "SCRAM-SHA-256"
        assert options.replica_set_name == "rs7"
        assert options.pool_options.appname == "shop"
        assert options.pool_options._ssl_context is not None
        assert options.pool_options._compression_settings.compressors == ["zlib"]

    def test_asks_for_the_same_api_but_not_strictly(self):
        with clients.open_client(NOBODY, {"server_api": ServerApi("1", strict=True)}) as client:
            api = client.options.pool_options.server_api

        assert (api.version, api.strict) == ("1", None)

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
            ("mongodb://h/db?appName=@account@&w=1", "mongodb://h/db"),
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


class TestDatabaseOf:
    @pytest.mark.parametrize(
        ("uri", "name"),
        [
            ("mongodb://localhost:1/app", "app"),
            ("mongodb://localhost:1/app.jobs", "app"),
            ("mongodb://localhost:1/my%2Dapp", "my-app"),
            ("mongodb://u:p@a:1,b:1/app?replicaSet=x", "app"),
            ("mongodb://localhost:1/app?appName=@account@&replicaSet=x", "app"),
            ("mongodb://%2Ftmp%2Fno-such.sock/app", "app"),
            (" mongodb://localhost:1/app \n", "app"),
            ("mongodb://localhost:1/?w=1", None),
            ("mongodb://localhost:1", None),
        ],
    )
    def test_is_the_one_that_the_driver_reads_in_the_uri(self, uri, name):
        with clients.open_client(uri) as client:
            assert clients.database_of(client) == name


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

    def test_is_unknown_while_no_server_answers(self, monkeypatch):
        monkeypatch.setattr(clients, "_ANSWER_SECONDS", 0.1)
        with MongoClient("mongodb://127.0.0.1:1", serverSelectionTimeoutMS=50) as away:
            assert clients.ClientTime(away).server_time() is None

    def test_names_the_node_that_takes_writes(self, client):
        source = clients.ClientTime(client)
        client.admin.command("ping")

        assert source.primary() == client.primary


class TestTopology:
    def test_of_a_replica_set(self, mongo_uri):
        with MongoClient(mongo_uri) as client:
            assert clients.topology(client) == "replica set"

    def test_of_mongomock(self):
        assert clients.topology(mongomock.MongoClient()) == "mock"

    def test_of_a_standalone_server(self):
        with Server(replica_set=0, own=True, quick=True) as server, MongoClient(server.uri) as client:
            assert clients.topology(client) == "standalone"


class TestCheckServer:
    def test_accepts_this_server_and_mongomock(self, client):
        clients.check_server(client)
        clients.check_server(mongomock.MongoClient())

    @pytest.mark.parametrize(("wire_version", "found"), [(13, "5.0"), (9, "4.4"), (8, "an older one")])
    def test_refuses_an_old_one_and_names_its_version(self, wire_version, found):
        with pytest.raises(ServerTooOldError, match=f"needs MongoDB 6.0 or newer, found {found}"):
            clients.check_server(server_that_answers(maxWireVersion=wire_version))

    @pytest.mark.parametrize("wire_version", [17, 21, 99])
    def test_accepts_a_newer_one(self, wire_version):
        clients.check_server(server_that_answers(maxWireVersion=wire_version))


def server_that_answers(**hello):
    """Return a client whose server describes itself so."""
    return SimpleNamespace(admin=SimpleNamespace(command=lambda _name: hello))
