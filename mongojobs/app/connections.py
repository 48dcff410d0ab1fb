"""Finding the MongoDB that holds the jobs, and opening a worker's connections to it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from mongoengine import connection as mongoengine_connection
from mongoengine.connection import ConnectionFailure

from mongojobs.core.clock import Clock
from mongojobs.core.errors import ConfigurationError, ConnectionMissingError
from mongojobs.core.settings import Settings
from mongojobs.process.copies import Descent
from mongojobs.store import clients, faults
from mongojobs.store.clients import Client
from mongojobs.store.jobs import JobStore, open_store
from mongojobs.store.queries import Queries
from mongojobs.store.time_limits import time_limit
from mongojobs.worker.connecting import Connections

URI_VARIABLES: Final = (
    "MONGODB_URI",
    "MONGODB_URL",
    "MONGO_URL",
    "MONGO_URI",
    "ORMONGO_RS_URL",
    "ORMONGO_URL",
    "MONGOHQ_URL",
    "MONGOLAB_URI",
)
"""The variables in which platforms put a database URI, in the order they are tried."""

LEAST_POOL_SIZE: Final = 3
"""The connections that a worker needs from a client: one to listen, one for its heartbeat, one for the rest."""
_RENAMED: Final = {"authentication_source": "authSource", "authentication_mechanism": "authMechanism"}


@dataclass(frozen=True, slots=True)
class Link:
    """A client, the database of the jobs, and what it takes to open more clients to the same server.

    *address* is None where that cannot be known, as with a client that was handed over. *source* says where the link
    was found, for people. *alias* is MongoEngine's, where the client is its own. The password is in *address* or
    *options*, and in no repr. *session* returns that of the transaction which the calling code is in, where a framework
    knows of one beside the driver. *is_own* says that the client is the app's to close, *process* for which it is.
    """

    client: Client
    database: str
    source: str
    address: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] | None = field(default=None, repr=False)
    alias: str | None = None
    session: Callable[[], clients.Session | None] | None = field(default=None, repr=False, compare=False)
    is_own: bool = False
    process: int = field(default_factory=os.getpid, repr=False, compare=False)

    @property
    def shown_address(self) -> str:
        """The address without credentials; empty if unknown."""
        return clients.safe_uri(self.address) if self.address and "://" in self.address else ""

    @property
    def is_current(self) -> bool:
        """Whether the client is still that of its alias and found by this process; cheap, as each enqueue asks."""
        # Tests and forked servers disconnect MongoEngine, which closes the client, and reconnect.
        here = self.process == os.getpid()
        return here and (self.alias is None or _opened().get(self.alias) is self.client)


def find_link(settings: Settings, environ: Mapping[str, str], client: Client | None = None) -> Link:
    """Return the way to the jobs: *client*, the setting ``uri``, MongoEngine's connection, or a platform's variable.

    Raises ConnectionMissingError when there is none, ConfigurationError when it is malformed or names no database.
    """
    if client is not None:
        warn_of_untold_fork()
        return Link(client, _database(settings, clients.database_of(client), "the client that was given"), "client")
    if settings.uri is not None:
        return _of_uri(settings, settings.uri, "uri")
    if _is_registered(settings.db_alias):
        link = _of_alias(settings)
        return _apart(link) if warn_of_untold_fork() else link
    for variable in URI_VARIABLES:
        if environ.get(variable, "").strip():
            return _of_uri(settings, environ[variable], variable)
    raise ConnectionMissingError(
        f"no MongoDB connection: MongoEngine has none under the alias {settings.db_alias!r}, and neither MONGOJOBS_URI"
        " nor MONGODB_URI is set. Either set MONGODB_URI, or connect in your app:\n"
        "    import mongoengine\n"
        '    mongoengine.connect(host="mongodb://localhost:27017/myapp")'
    )


def warn_of_untold_fork() -> bool:
    """Warn where Python, and so the driver, has not heard that this process was forked; return whether that is so.

    Then it shares the sessions of clients that were used before, and the server takes a write of one process for the
    repeated write of another.
    """
    is_untold = Descent.process != os.getpid()
    if is_untold:
        warnings.warn(
            "this process was forked without telling Python, as uWSGI does, so that what it writes by a connection that"
            " was made before can be lost: set lazy-apps = true, or py-call-osafterfork = true",
            stacklevel=2,
        )
    return is_untold


def open_connections(
    link: Link, settings: Settings, clock: Clock | None, *, patience: timedelta | None = None
) -> Connections:
    """Open a worker's own clients: one for the jobs and one for the heartbeat, sharing one clock.

    *patience* is how long they look for a server, now and later, if not as long as usual; who works off does not wait
    for long. Raises StoreUnavailableError, ServerTooOldError.
    """
    if patience is None and settings.exit_on_complete:
        patience = min(settings.enqueue_timeout, clients.PATIENCE)
    with ExitStack() as opened:
        main, beat = _clients(link, patience, opened)
        try:
            clients.find_server(main, patience)
            topology = clients.check_server(main)
            jobs = clients.jobs_collection(main, settings, link.database)
            clients.check_access(jobs)
            store = JobStore(Queries(jobs, clock, settings))
        except faults.DatabaseError as error:
            raise faults.unavailable(error) from error
        has_streams = topology in ("replica set", "sharded") and not _options_against_streams(main)
        is_routed, close = topology == "sharded", opened.pop_all().close
        return Connections(store, beat, of_app=link.client, has_streams=has_streams, is_routed=is_routed, close=close)


def peek_at_queues(settings: Settings, environ: Mapping[str, str], *, within: timedelta) -> list[str]:
    """Return the queues that have ready jobs. Raises ConfigurationError, DatabaseError.

    The way to the jobs must be in the settings or in *environ*: the app, which may connect as well, is not asked.
    """
    link = find_link(settings, environ)
    link.client.close()
    client = clients.open_client(link.address or "", link.options, pool_size=1, patience=within)
    try:
        with time_limit(within.total_seconds()):
            return open_store(client, link.database, settings).ready_queues()
    finally:
        client.close()


def _clients(link: Link, patience: timedelta | None, opened: ExitStack) -> tuple[Client, Client]:
    """Return a client for the jobs and one for the heartbeat; what is opened for that closes with *opened*."""
    if link.address is None:
        _warn_of_foreign_client(link.client)
        return link.client, link.client
    main = clients.open_client(link.address, link.options, patience=patience)
    opened.callback(main.close)
    beat = clients.open_client(
        link.address, link.options, appname="mongojobs-heartbeat", pool_size=1, patience=patience
    )
    opened.callback(beat.close)
    return main, beat


def _of_uri(settings: Settings, uri: str, source: str) -> Link:
    uri = uri.strip()
    try:
        client = clients.open_client(uri)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}") from None
    try:
        database = _database(settings, clients.database_of(client), f"the MongoDB URI in {source}")
    except ConfigurationError:
        client.close()
        raise
    return Link(client, database, source, address=uri, is_own=True)


def _of_alias(settings: Settings) -> Link:
    alias = settings.db_alias
    try:
        client = mongoengine_connection.get_connection(alias)
    except ConnectionFailure as error:
        if error.__context__ is not None and faults.is_passing(error.__context__):
            raise faults.unavailable(error.__context__) from error
        raise ConnectionMissingError(f"MongoEngine cannot connect the alias {alias!r}: {error}") from None
    database = settings.database or mongoengine_connection.get_db(alias).name
    address, options = _address_of(alias)
    return Link(client, database, f"MongoEngine alias {alias}", address, options, alias)


def _apart(link: Link) -> Link:
    """Return *link* with a client of its own, if it is known how to open one."""
    if link.address is None:
        return link
    return replace(link, client=clients.open_client(link.address, link.options), alias=None, is_own=True)


def _is_registered(alias: str) -> bool:
    return alias in _registered()


def _registered() -> Mapping[str, Mapping[str, Any]]:
    """Return the connections registered with MongoEngine, which has no public way to ask."""
    registered: Mapping[str, Mapping[str, Any]] = getattr(mongoengine_connection, "_connection_settings", {})
    return registered


def _opened() -> Mapping[str, Client]:
    """Return the clients that MongoEngine has opened, by alias; its own functions would open them."""
    opened: Mapping[str, Client] = getattr(mongoengine_connection, "_connections", {})
    return opened


def _address_of(alias: str) -> tuple[str | None, dict[str, Any] | None]:
    """Return how to open MongoEngine's connection once more; None for a client class of the app's own."""
    told = _registered()[alias]
    hosts = told.get("host")
    if told.get("mongo_client_class") is not None or not isinstance(hosts, list) or not hosts:
        return None, None
    return ",".join(hosts), {_RENAMED.get(name, name): value for name, value in told.items()}


def _database(settings: Settings, named: str | None, where: str) -> str:
    if settings.database or named:
        return settings.database or str(named)
    raise ConfigurationError(
        f"{where} names no database: append it, as in mongodb://host/myapp, or set MONGOJOBS_DATABASE"
    )


def _warn_of_foreign_client(client: Client) -> None:
    """Warn of options that the worker would not have chosen; not for mongomock, where they are nobody's fault."""
    if not clients.is_real(client):
        return
    unsafe = _options_against_streams(client)
    if not client.options.retry_writes:
        unsafe.append("retryWrites=false")
    if client.options.pool_options.socket_timeout is not None:
        unsafe.append("socketTimeoutMS")
    found = f", with unsafe options: {', '.join(unsafe)}" if unsafe else ""
    warnings.warn(
        f"the worker shares the app's MongoDB client, as it knows no URI to open its own{found}: set MONGOJOBS_URI",
        stacklevel=2,
    )


def _options_against_streams(client: Client) -> list[str]:
    """Return the options of *client* that make a change stream block everything else, or break off again and again.

    A client of our own has none of them.
    """
    if not clients.is_real(client):
        return []
    pool, against = client.options.pool_options, []
    if 0 < (pool.max_pool_size or 0) < LEAST_POOL_SIZE:
        against.append(f"maxPoolSize={pool.max_pool_size}")
    if client.options.timeout is not None:
        against.append("timeoutMS")
    return against
