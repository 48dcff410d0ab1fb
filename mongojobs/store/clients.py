"""Connections to MongoDB: clients of our own, handles of the collection, and the kind of server that answers."""

from __future__ import annotations

import contextvars
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError as DriverConfigurationError
from pymongo.errors import InvalidOperation, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.server_api import ServerApi

from mongojobs.core.errors import ConfigurationError, OptionError, ServerTooOldError, TransactionError
from mongojobs.core.job import Document
from mongojobs.core.settings import Settings
from mongojobs.store.faults import is_passing, unavailable
from mongojobs.store.time_limits import time_left, time_limit

Client = MongoClient[Document]
Jobs = Collection[Document]
Session = ClientSession
Topology = Literal["standalone", "replica set", "sharded", "mock"]

OLDEST_WIRE_VERSION: Final = 17
_OLDER_RELEASES: Final = {9: "4.4", 13: "5.0", 14: "5.1", 15: "5.2", 16: "5.3"}
"""The MongoDB releases by the ``maxWireVersion`` in ``hello``; 17 is 6.0."""

PATIENCE: Final = timedelta(seconds=10)
"""How long a client of ours looks for a server before it gives up."""
SHORT_PATIENCE: Final = timedelta(seconds=1.5)
"""The same, where somebody is waiting for a command."""
_LEAST_PATIENCE: Final = timedelta(seconds=1)
_ANSWER_SECONDS: Final = 5
_BOUND_SESSION: Final = "_get_bound_session"

_TAKEN_OVER: Final = frozenset(
    {
        *("appname", "driver", "server_api"),
        *("port", "replicaset", "directconnection", "loadbalanced"),
        *("srvservicename", "srvmaxhosts", "srvallowedhostssuffix", "srv_host_validator"),
        *("username", "password", "authsource", "authmechanism", "authmechanismproperties", "authoidcallowedhosts"),
        *("tls", "ssl", "tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "tlscafile"),
        *("tlscrlfile", "tlscertificatekeyfile", "tlscertificatekeyfilepassword", "tlsdisableocspendpointcheck"),
        *("compressors", "zlibcompressionlevel", "auto_encryption_opts"),
    }
)
"""The options that decide how a connection finds its server, identifies itself and is secured."""
_SELECTION: Final = "serverselectiontimeoutms"


def open_client(
    uri: str,
    options: Mapping[str, object] | None = None,
    *,
    appname: str = "mongojobs",
    pool_size: int | None = None,
    patience: timedelta | None = None,
) -> Client:
    """Open a client of our own to the server that *uri* names, with the *options* that the app gives beside it.

    It takes over what finds, identifies and secures the connection. All else is ours: what serves an app well (one
    connection, a time limit for each call, reads from secondaries) would stop a worker. The driver tries each write
    twice, and no call has a time limit, which would not undo what the server is doing, only make us forget about it.
    *patience* is how long it looks for a server; otherwise that of the app counts, within bounds.

    Raises ConfigurationError for a malformed URI, without showing it, StoreUnavailableError when its name cannot be
    resolved.
    """
    address, in_uri = _taken_apart(uri.strip())
    beside = {name.lower(): value for name, value in (options or {}).items() if value is not None}
    taken: dict[str, Any] = {name: value for name, value in beside.items() if name in _TAKEN_OVER}
    if isinstance(api := taken.get("server_api"), ServerApi):
        taken["server_api"] = ServerApi(api.version)  # strictness refuses some of what only people ask for
    if "appname" not in taken and "appname" not in in_uri:
        taken["appname"] = appname
    if pool_size is not None:
        taken["maxPoolSize"] = pool_size
    patience = patience or _bounded(beside.get(_SELECTION, in_uri.get(_SELECTION)))
    taken |= {"serverSelectionTimeoutMS": patience / timedelta(milliseconds=1), "retryWrites": True}
    try:
        return MongoClient(address, **taken)
    except (PyMongoError, ValueError, TypeError) as error:
        if is_passing(error):
            raise unavailable(error) from error
        raise ConfigurationError(f"the MongoDB URI {safe_uri(uri)} cannot be used: {_MALFORMED}") from None


def jobs_collection(client: Client, settings: Settings, database: str) -> Jobs:
    """Return the collection of jobs: durable writes, reads from the primary, timezone-aware times.

    Set here and not taken from *client*, whose options are the app's. mongomock accepts no codec option but
    ``tz_aware``; a real client also reads dates and texts that Python has no word for, so that one odd document does
    not make a whole batch unreadable.
    """
    codec: CodecOptions[Document] = CodecOptions(tz_aware=True)
    if is_real(client):
        codec = codec.with_options(
            datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
        )
    return client.get_database(database).get_collection(
        settings.collection,
        codec_options=codec,
        read_preference=ReadPreference.PRIMARY,
        write_concern=WriteConcern(w=settings.write_concern),
        read_concern=ReadConcern("local"),
    )


def beside(jobs: Jobs, suffix: str, *, write_concern: WriteConcern | None = None) -> Jobs:
    """Return the collection named after that of the *jobs*, with the same options unless told otherwise."""
    return jobs.database.get_collection(
        jobs.name + suffix,
        codec_options=jobs.codec_options,
        read_preference=jobs.read_preference,
        write_concern=write_concern or jobs.write_concern,
        read_concern=jobs.read_concern,
    )


def enqueue_handle(jobs: Jobs, settings: Settings) -> Jobs:
    """Return *jobs* for enqueueing: a write waits for other nodes no longer than ``enqueue_timeout``."""
    milliseconds = int(settings.enqueue_timeout.total_seconds() * 1000)
    concern = WriteConcern(w=settings.write_concern, wtimeout=milliseconds)
    return jobs.with_options(codec_options=jobs.codec_options, write_concern=concern)


def transaction_handle(jobs: Jobs) -> Jobs:
    """Return *jobs* for use inside a transaction, which has its own write concern and allows no other."""
    return jobs.with_options(codec_options=jobs.codec_options, write_concern=WriteConcern())


def confirmed_handle(jobs: Jobs) -> Jobs:
    """Return *jobs* for reading only what a majority of the nodes holds, which survives any failover."""
    return jobs.with_options(codec_options=jobs.codec_options, read_concern=ReadConcern("majority"))


def session_in_force(client: Client, session: Session | None) -> Session | None:
    """Return the *session* given, or the one that PyMongo would use: the one bound by ``ClientSession.bind()``.

    PyMongo has ``bind`` since 4.17 and no public way to see the bound session, so this is the one place that asks for
    it. Raises OptionError when it belongs to another client, since the job could not be part of it.
    """
    if session is None:
        bound_session = getattr(client, _BOUND_SESSION, None) if is_real(client) else None
        try:
            session = bound_session() if bound_session is not None else None
        except InvalidOperation:
            raise OptionError(_FOREIGN_SESSION) from None
    if session is not None and session.client is not client:
        raise OptionError(_FOREIGN_SESSION)
    return session


def joined_by_default(session: Session) -> AbstractContextManager[object]:
    """Let all operations of the session's client in the block take part in *session*, if PyMongo can (since 4.17).

    Raises TransactionError for a client that asks for no answers: its writes would not take part. Of one with another
    write concern of its own the server refuses writes, unless they are given the session.
    """
    bind: Callable[..., AbstractContextManager[object]] | None = getattr(session, "bind", None)
    if bind is None:
        return nullcontext()
    if not session.client.write_concern.acknowledged:
        raise TransactionError(
            "the app's connection asks for no answers (w=0), and such writes take no part in a transaction: leave w=0"
            " out of its URI"
        )
    return bind(end_session=False)


class ClientTime:
    """The server's clock as read through *client*; mongomock has none."""

    def __init__(self, client: Client) -> None:
        self._client = client if is_real(client) else None
        self._primary: object = None
        self.topology: Callable[[], object] = partial(getattr, self._client, "topology_description", None)
        """Gives what the driver knows of the nodes."""

    def server_time(self) -> datetime | None:
        """Ask the server for its time, outside any session that the caller has bound.

        Unreachable servers count as having none: what needs the database will say so itself.
        """
        if self._client is None:
            return None
        try:
            moment = _hello(self._client).get("localTime")
        except PyMongoError:
            return None
        return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)

    def primary(self) -> object:
        """Return the address of the node that takes writes, or of the last one that did."""
        if self._client is None:
            return None
        servers = self._client.topology_description.server_descriptions()
        self._primary = next((address for address, server in servers.items() if server.is_writable), self._primary)
        return self._primary


def find_server(client: Client, patience: timedelta | None = None) -> None:
    """Wait until a server accepts writes: for *patience*, or as long as *client* does.

    Raises DatabaseError.
    """
    if not is_real(client):
        return
    with nullcontext() if patience is None else time_limit(patience.total_seconds()):
        _ = client.is_primary


def check_server(client: Client) -> Topology:
    """Return the kind of server that answers, as ``topology`` does.

    Raises ServerTooOldError unless it is MongoDB 6.0 or newer, DatabaseError when it is away.
    """
    if not is_real(client):
        return "mock"
    answer = _hello(client)
    wire_version = answer.get("maxWireVersion", 0)
    if wire_version < OLDEST_WIRE_VERSION:
        found = _OLDER_RELEASES.get(wire_version, f"an older one (wire version {wire_version})")
        raise ServerTooOldError(
            f"mongojobs needs MongoDB 6.0 or newer, found {found}: upgrade the server, one release after another"
        )
    return _topology_in(answer)


def check_access(jobs: Jobs) -> None:
    """Make the database show that the *jobs* may be read. Raises DatabaseError."""
    with pymongo.timeout(PATIENCE.total_seconds()):
        jobs.find_one({"_id": {"$eq": None}}, {"_id": 1})


def server_version(client: Client) -> str:
    """Return the version of the server, for people. Raises DatabaseError."""
    if not is_real(client):
        return "mongomock"
    return str(_ask(client, "buildInfo").get("version", ""))


def topology(client: Client) -> Topology:
    """Return the kind of server that answers; only replica sets and sharded clusters have sessions and change streams.

    Asks the server. Raises DatabaseError.
    """
    return _topology_in(_hello(client)) if is_real(client) else "mock"


def is_real(client: Client) -> bool:
    """Whether *client* talks to a real server, and not to mongomock."""
    return not type(client).__module__.startswith("mongomock")


def safe_uri(uri: str) -> str:
    """Return scheme, hosts and database of *uri*, never credentials or options; nothing if it is malformed."""
    parts = _parts(uri)
    return "(malformed)" if parts is None else f"{parts['scheme']}://{parts['hosts']}/{parts['database'] or ''}"


def database_of(client: Client) -> str | None:
    """Return the database that the URI of *client* names, if any."""
    with suppress(DriverConfigurationError):
        return client.get_default_database().name
    return None


_URI: Final = re.compile(
    r"(?P<scheme>mongodb(?:\+srv)?)://(?:[^/?#@]*@)?(?P<hosts>[\w.,%-]+(?::\d+)?(?:,[\w.%-]+(?::\d+)?)*|(?:\[[\da-fA-F:]+\](?::\d+)?,?)+)"
    r"(?:/(?P<database>[^/?#@]*))?(?:\?(?:\w+=[^&;]*(?:[&;]\w+=[^&;]*)*)?)?"
)
_MALFORMED: Final = (
    "it is malformed, or an option has a bad value (in user and password, : / ? # [ ] @ are written as %3A ...)"
)
"""PyMongo's own message may quote part of the password."""
_FOREIGN_SESSION: Final = (
    "the session belongs to a different client than the jobs, so the job cannot be part of its transaction: start it"
    " on the client that the jobs use"
)


def _parts(uri: str) -> re.Match[str] | None:
    """Parse *uri* strictly: whatever does not fit may contain part of the password."""
    return _URI.fullmatch(uri.strip())


def _taken_apart(uri: str) -> tuple[str, dict[str, str]]:
    """Return *uri* without the options that we do not take over, and all its options by name."""
    address, _, query = uri.partition("?")
    separator = "&" if "&" in query else ";"
    pairs = [(pair.partition("=")[0].lower(), pair) for pair in query.split(separator) if pair]
    kept = [pair for name, pair in pairs if name in _TAKEN_OVER or "=" not in pair]
    options = {name: pair.partition("=")[2] for name, pair in pairs}
    return f"{address}?{separator.join(kept)}" if kept else address, options


def _bounded(milliseconds: object) -> timedelta:
    """Return how long an app wants to look for a server, unless that is too short to find one, or forever."""
    try:
        wanted = timedelta(milliseconds=float(str(milliseconds)))
    except (ValueError, OverflowError):
        return PATIENCE
    return min(max(wanted, _LEAST_PATIENCE), PATIENCE)


def _topology_in(answer: Document) -> Topology:
    """Return the kind of server that gave this *answer* to ``hello``."""
    if answer.get("msg") == "isdbgrid":
        return "sharded"
    return "replica set" if "setName" in answer else "standalone"


def _hello(client: Client) -> Document:
    """Ask the server to identify itself."""
    return _ask(client, "hello")


def _ask(client: Client, command: str) -> Document:
    """Ask the server a small question, outside any session that the caller has bound, and with a short timeout."""
    seconds = min(_ANSWER_SECONDS, time_left() / 2)  # the other half is for what the caller is about

    def ask() -> Document:
        with time_limit(seconds):
            return client.admin.command(command)

    return contextvars.Context().run(ask)
