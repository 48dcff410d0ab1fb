"""Connections to MongoDB: clients of our own, the handles of the collection, what kind of server answers."""

from __future__ import annotations

import contextvars
import re
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import unquote

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError as DriverConfigurationError
from pymongo.errors import InvalidOperation, PyMongoError
from pymongo.read_concern import ReadConcern

from mongojobs.core.errors import ConfigurationError, OptionError, ServerTooOldError
from mongojobs.core.job import Document
from mongojobs.core.settings import Settings
from mongojobs.store.faults import describe

Client = MongoClient[Document]
Jobs = Collection[Document]
Session = ClientSession
Topology = Literal["standalone", "replica set", "sharded", "mock"]

OLDEST_SERVER: Final = (6, 0)
_HELLO_SECONDS: Final = 5
_BOUND_SESSION: Final = "_get_bound_session"


def open_client(uri: str, *, pool_size: int | None = None, appname: str = "mongojobs", **options: object) -> Client:
    """Open a client for a worker: each write tried twice by the driver, and no socket time-outs.

    A time-out would not undo what the server is doing, only make us forget about it. What *uri* says otherwise is
    overruled. Raises ConfigurationError for a malformed URI, without showing it.
    """
    fixed: dict[str, Any] = {
        "retryWrites": True,
        "socketTimeoutMS": None,
        "timeoutMS": None,
        "appname": appname,
    }
    if pool_size is not None:
        fixed |= {"maxPoolSize": pool_size, "minPoolSize": 0}
    try:
        return MongoClient(uri, **{**fixed, **options})
    except (PyMongoError, ValueError, TypeError) as error:
        raise ConfigurationError(f"the MongoDB URI {safe_uri(uri)} cannot be used: {_about_uri(error)}") from None


def jobs_collection(client: Client, settings: Settings, database: str) -> Jobs:
    """Return the collection of the jobs: durable writes, reads from the primary, aware times.

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
    """Return the collection that is named after that of the *jobs*, and treated as it unless told otherwise."""
    return jobs.database.get_collection(
        jobs.name + suffix,
        codec_options=jobs.codec_options,
        read_preference=jobs.read_preference,
        write_concern=write_concern or jobs.write_concern,
    )


def enqueue_handle(jobs: Jobs, settings: Settings) -> Jobs:
    """Return *jobs* for enqueueing: it waits for other nodes no longer than ``enqueue_timeout``."""
    milliseconds = int(settings.enqueue_timeout.total_seconds() * 1000)
    return jobs.with_options(
        codec_options=jobs.codec_options,
        write_concern=WriteConcern(w=settings.write_concern, wtimeout=milliseconds),
    )


def transaction_handle(jobs: Jobs) -> Jobs:
    """Return *jobs* for use inside a transaction, which has a write concern of its own and allows no other."""
    return jobs.with_options(codec_options=jobs.codec_options, write_concern=WriteConcern())


def confirmed_handle(jobs: Jobs) -> Jobs:
    """Return *jobs* for reading only what a majority of the nodes holds, which no failover takes back."""
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


def time_limit(seconds: float) -> AbstractContextManager[object]:
    """Let no call to the database inside take longer than *seconds*, its retries included."""
    limit: AbstractContextManager[object] = pymongo.timeout(seconds)
    return limit


class ClientTime:
    """The server's clock as seen through *client*; none on mongomock."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: object = None
        self._primary: object = None

    def server_time(self) -> datetime | None:
        """Ask the server for its time, outside of any session that the caller has bound.

        Unreachable servers count as having none: what needs the database will say so itself.
        """
        if not is_real(self._client):
            return None
        try:
            moment = _hello(self._client).get("localTime")
        except PyMongoError:
            return None
        return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)

    def primary(self) -> object:
        """Return the address of the node that takes writes; cheap, since it is asked for at each look at the clock."""
        if not is_real(self._client):
            return None
        description = self._client.topology_description
        if description is not self._seen:
            writable = [address for address, server in description.server_descriptions().items() if server.is_writable]
            self._primary = writable[0] if writable else self._primary
            self._seen = description
        return self._primary


def check_server(client: Client) -> None:
    """Raise ServerTooOldError unless the server is MongoDB 6.0 or newer. Raises DatabaseError when it is away."""
    if not is_real(client):
        return
    version = str(contextvars.Context().run(client.server_info).get("version", ""))
    if _version(version) < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise ServerTooOldError(
            f"mongojobs needs MongoDB {oldest} or newer, found {version}: upgrade the server, one release after another"
        )


def topology(client: Client) -> Topology:
    """Say what kind of server answers; only replica sets and sharded clusters have sessions and change streams.

    Asks the server. Raises DatabaseError.
    """
    if not is_real(client):
        return "mock"
    answer = _hello(client)
    if answer.get("msg") == "isdbgrid":
        return "sharded"
    return "replica set" if "setName" in answer else "standalone"


def is_real(client: Client) -> bool:
    """Whether *client* talks to a server; mongomock's does not."""
    return not type(client).__module__.startswith("mongomock")


def safe_uri(uri: str) -> str:
    """Return scheme, hosts and database of *uri*, never the credentials or options; of a malformed one nothing."""
    parts = _parts(uri)
    return "(malformed)" if parts is None else f"{parts['scheme']}://{parts['hosts']}/{parts['database'] or ''}"


def database_name(uri: str) -> str | None:
    """Return the database that *uri* names, if any."""
    parts = _parts(uri)
    return unquote(parts["database"]) if parts is not None and parts["database"] else None


_URI: Final = re.compile(
    r"(?P<scheme>mongodb(?:\+srv)?)://(?:[^/?#@]*@)?(?P<hosts>[\w.,%-]+(?::\d+)?(?:,[\w.%-]+(?::\d+)?)*|(?:\[[\da-fA-F:]+\](?::\d+)?,?)+)"
    r"(?:/(?P<database>[^/?#@]*))?(?:\?[^@]*)?"
)
_FOREIGN_SESSION: Final = (
    "the session belongs to another client than the jobs, so that the job cannot be part of its transaction: start it"
    " on the client that the jobs use"
)


def _parts(uri: str) -> re.Match[str] | None:
    """Take *uri* apart strictly: what does not fit may have a piece of the password anywhere."""
    return _URI.fullmatch(uri.strip())


def _hello(client: Client) -> Document:
    """Ask the server who it is: outside of the session that the caller may have bound, and not for long."""

    def ask() -> Document:
        with pymongo.timeout(_HELLO_SECONDS):
            return client.admin.command("hello")

    return contextvars.Context().run(ask)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _about_uri(error: Exception) -> str:
    """Say what is wrong with a URI; PyMongo's own words may quote a part of the password."""
    if isinstance(error, DriverConfigurationError) and str(error).startswith("The DNS"):
        return describe(error)
    return "it is malformed, or an option has a bad value (in user and password, : / ? # [ ] @ are written as %3A ...)"
