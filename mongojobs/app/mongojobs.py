"""``MongoJobs``: an app with its settings, connection, store, enqueuer and plugins."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Unpack

from mongojobs.app.connections import Link, find_link, open_connections
from mongojobs.app.operations import plain_errors
from mongojobs.app.pyproject import read_file, settings_of
from mongojobs.app.scheduling import due_of
from mongojobs.app.twins import Awaited
from mongojobs.core.calling import ran
from mongojobs.core.clock import Clock, truncate
from mongojobs.core.errors import OptionError, SettingsError
from mongojobs.core.inside.home import Home
from mongojobs.core.job import Job
from mongojobs.core.lifecycle import Answers, Lifecycle, Plugin
from mongojobs.core.notices import Warned
from mongojobs.core.settings import Settings, resolve
from mongojobs.core.stats import STEPS, Stats, Step
from mongojobs.core.words.naming import public
from mongojobs.enqueuing import current
from mongojobs.enqueuing.enqueuer import Enqueuer
from mongojobs.enqueuing.options import EnqueueOptions, Options
from mongojobs.enqueuing.twins import twin
from mongojobs.payload.calls.handler import Payloads, object_call
from mongojobs.payload.documents.references import DocumentReferences
from mongojobs.payload.documents.registered import RegisteredReferences
from mongojobs.payload.registry import registry
from mongojobs.payload.search import ArgumentSearch
from mongojobs.payload.values.codec import Codec
from mongojobs.plugins.failures import FailurePlugin
from mongojobs.plugins.log import LogPlugin
from mongojobs.store.clients import Client
from mongojobs.store.jobs import JobStore, open_store
from mongojobs.worker.connecting import Connections


@public
class MongoJobs(Awaited):
    """One app: where its jobs are, how they are handled, and who listens.

    *client* is a PyMongo client to use instead of looking for one, *clock* tells the time instead of the server (for
    tests). Nothing is connected before the first use. Raises SettingsError for *plugins* that are none.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        client: Client | None = None,
        plugins: Iterable[Plugin | type[Plugin]] = (),
        clock: Clock | None = None,
    ) -> None:
        self.settings: Settings = settings or Settings()
        self.plugins: list[Plugin] = _made(plugins)
        self.lifecycle: Lifecycle = Lifecycle()
        self.lifecycle.answers = Answers(self.get, lambda name: due_of(self, name))
        self.link_source: Callable[[Settings], Link] | None = None
        """What finds the connection instead, where a framework has it."""
        self._client = client
        self._clock = clock
        self._making = threading.RLock()
        self._link: Link | None = None
        self._former: Link | None = None  # in a forked process the client of its parent, which is not ours to close
        self._opened: tuple[Link, JobStore] | None = None
        log = LogPlugin(lambda: self.settings.log_tracebacks)
        failures = FailurePlugin(lambda: self.settings.on_failure, self.get)
        for plugin in (log, failures, *self.plugins):
            ran(f"{type(plugin).__name__}.register", plugin.register(self.lifecycle))  # type: ignore[func-returns-value]  # it may be async
        self.lifecycle.begin()

    @property
    def link(self) -> Link:
        """The connection to the jobs; a new one after MongoEngine has reconnected, and in a forked process.

        Raises ConnectionMissingError.
        """
        link = self._link
        if link is not None and link.is_current:
            return link
        with self._making:
            if self._link is None or not self._link.is_current:
                self._former, self._link = self._link, self._find_link()
            return self._link

    def _find_link(self) -> Link:
        if self.link_source is not None:
            return self.link_source(self.settings)
        return find_link(self.settings, os.environ, self._client)

    @property
    def store(self) -> JobStore:
        """The life of the jobs in their collection. Raises ConnectionMissingError."""
        opened = self._opened
        if opened is not None and opened[0].is_current:
            return opened[1]
        link = self.link
        with self._making:
            if self._opened is None or self._opened[0] is not link:
                self._opened = link, self._open(link)
            return self._opened[1]

    def _open(self, link: Link) -> JobStore:
        if self.settings.write_concern != "majority":
            warnings.warn(
                f"write_concern is {self.settings.write_concern}: a failover can lose jobs, or run them again",
                stacklevel=3,
            )
        store = open_store(link.client, link.database, self.settings, self._clock)
        if link.session is not None:
            store.join(link.session)
        store.queries.on_warning = lambda message: self.lifecycle.notify(Warned("", message))
        store.queries.match_argument = ArgumentSearch(self.payloads)
        return store

    @cached_property
    def payloads(self) -> Payloads:
        """What turns calls into payloads and back."""
        references = DocumentReferences(
            switched_databases=self.settings.switched_databases,
            switched_collections=self.settings.switched_collections,
        )
        return Payloads(Codec(registry, RegisteredReferences(references)), max_bytes=self.settings.max_payload_bytes)

    @cached_property
    def enqueuer(self) -> Enqueuer:
        """What turns calls into jobs of this app."""
        return Enqueuer(
            store=lambda: self.store, payloads=self.payloads, settings=self.settings, lifecycle=self.lifecycle
        )

    @property
    def home(self) -> Home[Job]:
        """Where its jobs are asked about."""
        return self.enqueuer.home

    @contextmanager
    def active(self) -> Iterator[MongoJobs]:
        """Send all enqueues in the block to this app; other threads and tasks are not affected."""
        with current.active(lambda: self.enqueuer):
            yield self

    def enqueue(self, job_object: object, **options: Unpack[EnqueueOptions]) -> Job:
        """Store *job_object* in this app, as ``mongojobs.enqueue`` does; what its hooks enqueue, too."""
        with self.active():
            return self.enqueuer.enqueue(object_call(job_object), Options.of(options))

    def stats(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        by: Step = "minute",
        name: str | None = None,
        apart: bool = True,
    ) -> Stats:
        """Return what workers did from *since* until *until*, by minute, hour or day, for each name and queue.

        With a *name* it is of its jobs alone; not *apart*, it is of all jobs together, which is far less to read.
        Without times it is the last hour by minute, the last day by hour, the last week by day. Minutes are kept for a
        day, hours and days for ``stats_retention``. Raises OptionError for a time without zone, a *since* after
        *until* or a *name* that is not apart, and StoreUnavailableError.
        """
        _check_choice(by, name, apart=apart)
        try:
            begin, end = (None if moment is None else truncate(moment) for moment in (since, until))
        except ValueError as error:
            raise OptionError(str(error)) from None
        if begin and end and begin > end:
            raise OptionError(f"since must not be later than until, got {since!r} and {until!r}")
        store = self.stats_store
        with plain_errors():
            return store.read(by=by, since=begin, until=end, name=name, apart=apart)

    aenqueue: Final = twin(enqueue)
    astats: Final = twin(stats)

    def connect_worker(self, settings: Settings, *, patience: timedelta | None = None) -> Connections:
        """Open a worker's connections within *patience*. Raises StoreUnavailableError, ServerTooOldError."""
        return open_connections(self.link, settings, self._clock, patience=patience)

    def change(self, settings: Settings) -> None:
        """Switch to other *settings*; what was made with the old ones is made again when next used."""
        with self._making:
            self.settings = settings
            self._link = self._opened = None
            for made in ("payloads", "enqueuer"):
                self.__dict__.pop(made, None)

    def close(self) -> None:
        """Close the client if this app opened it; what is asked next opens another."""
        with self._making:
            link, self._link, self._opened = self._link, None, None
        if link is not None and link.is_own and link.process == os.getpid():
            link.client.close()


def _check_choice(by: object, name: object, *, apart: object) -> None:
    if not isinstance(by, str) or by not in STEPS:
        raise OptionError(f"by must be one of {', '.join(STEPS)}, got {by!r:.100}")
    if type(apart) is not bool:
        raise OptionError(f"apart must be True or False, got {apart!r:.100}")
    if name is not None and not (isinstance(name, str) and name):
        raise OptionError(f"name must be the name of jobs, got {name!r:.100}")
    if name is not None and not apart:
        raise OptionError(f"apart=False is for all jobs together: leave it out, or the name {name!r:.100}")


def _made(plugins: object) -> list[Plugin]:
    """Return *plugins*, with an instance made of each that is a class. Raises SettingsError."""
    if not isinstance(plugins, Iterable):
        raise _no_plugins(plugins)
    made = [plugin() if isinstance(plugin, type) else plugin for plugin in plugins]
    if not all(callable(getattr(plugin, "register", None)) for plugin in made):
        raise _no_plugins(plugins)
    return made


def _no_plugins(given: object) -> SettingsError:
    return SettingsError(
        f"plugins must be a list of plugins or of their classes, got {given!r:.200}", setting="plugins"
    )


class _Default:
    """The slot of the default app, made at first use from what has been configured by then."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._arguments: dict[str, Any] = {}
        self._app: MongoJobs | None = None
        self.configured = Settings()

    def configure(self, values: dict[str, Any]) -> MongoJobs:
        with self._lock:
            former = self._app if values else None
            kept = {"plugins": former.plugins} if former is not None else {}
            given = {name: values.pop(name) for name in ("client", "plugins", "clock") if name in values}
            self.configured = Settings().changed(**values)
            self._arguments = kept | given
            self._app = self._make()
            if former is not None:
                self._app.lifecycle.take_over(former.lifecycle)
            return self._app

    def get(self) -> MongoJobs:
        if (app := self._app) is not None:  # no lock, which a process forked at this moment would wait for in vain
            return app
        with self._lock:
            if self._app is None:
                self._app = self._make()
            return self._app

    def holds(self, app: MongoJobs) -> bool:
        return self._app is app

    def use(self, settings: Settings, app: MongoJobs | None) -> MongoJobs:
        with self._lock:
            self._app = app or self._app or MongoJobs(settings, **self._arguments)
            self._app.change(settings)
            return self._app

    def _make(self) -> MongoJobs:
        table = settings_of(read_file(Path("pyproject.toml")))
        resolved = resolve(configured=self.configured, file=table, environ=os.environ)
        return MongoJobs(resolved.settings, **self._arguments)


_default = _Default()
current.provide(lambda: _default.get().enqueuer)


@public
def configure(**values: Any) -> MongoJobs:
    """Set up the default app and return it; call it once, before the first job.

    Takes the fields of ``Settings``, and *client*, *plugins* and *clock* as ``MongoJobs`` does. Environment variables
    and ``pyproject.toml`` win over what is given here. Where there was a default app already, its callbacks are kept,
    and its plugins unless others are given; without any arguments it starts from nothing. Raises SettingsError.
    """
    return _default.configure(values)


@public
def default_app() -> MongoJobs:
    """Return the default app."""
    return _default.get()


def is_default(app: MongoJobs) -> bool:
    """Whether *app* is the default one, without making that."""
    return _default.holds(app)


def configured() -> Settings:
    """Return the settings given to ``configure``, without those from outside."""
    return _default.configured


def use(settings: Settings, app: MongoJobs | None = None) -> MongoJobs:
    """Give the default app other *settings*, as the command line does; with *app*, make that the default app."""
    return _default.use(settings, app)
