"""From a command's options to an app and its database."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.importing import import_app, import_module
from mongojobs.cli.shared.output import say
from mongojobs.cli.shared.settings import app_named, modules_named, resolve_settings
from mongojobs.core.words.wording import printable

if TYPE_CHECKING:
    from mongojobs.app import MongoJobs
    from mongojobs.app.operations import Operator
    from mongojobs.core.settings import Settings
    from mongojobs.store.jobs import JobStore
    from mongojobs.store.workers import WorkerStore
    from mongojobs.worker.connecting import Connections


HOW_TO_NAME_JOBS: Final = (
    'Name the modules that declare them: --import shop.jobs, MONGOJOBS_IMPORTS=shop.jobs, or imports = ["shop.jobs"] in'
    " [tool.mongojobs] of pyproject.toml; `mongojobs jobs declared` lists what is found. If the jobs are methods of"
    " documents without Delayable, add --allow-none"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """An app, its settings and where each comes from; *modules* are those imported for it.

    *advice* is what to do about an app of Flask whose context no job will run in.
    """

    app: MongoJobs
    settings: Settings
    origins: Mapping[str, str]
    modules: tuple[str, ...]
    advice: str | None = None

    @property
    def named(self) -> str:
        """What was imported, for people."""
        return f"the app ({', '.join(self.modules)})"

    @property
    def place(self) -> str:
        """Where the jobs are and who said so, without the password. Raises ConfigurationError."""
        link = self.app.link
        source = self.origins["uri"] if link.source == "uri" else link.source
        address = link.shown_address
        where = address if address.endswith(f"/{link.database}") else f"database {link.database} {address}".rstrip()
        return f"{self.settings.collection} in {where} (from {'--uri' if source == 'flag' else source})"

    @property
    def place_if_known(self) -> str | None:
        """Where the jobs are; None if no connection is configured."""
        from mongojobs.core.errors import ConfigurationError

        with suppress(ConfigurationError):
            return self.place
        return None


@dataclass(frozen=True, slots=True)
class Database:
    """The database of an app: its jobs, what can be done with them, and its *place*, for people."""

    store: JobStore
    workers: WorkerStore
    name: str
    place: str
    operator: Operator


def open_app(options: GlobalOptions, flags: Mapping[str, object] | None = None) -> Opened:
    """Import the app and apply its settings, with *flags* above all others. Raises Failure, ConfigurationError."""
    from mongojobs.app import MongoJobs
    from mongojobs.app.mongojobs import configured, default_app, use
    from mongojobs.cli.shared.flask_apps import advice_on, extension_of

    named = app_named(options)
    target: object = import_app(named) if named else None
    found = target if isinstance(target, MongoJobs) else extension_of(target)
    imports = modules_named(options) or (found.settings if found else configured()).imports
    _import_all(imports)
    given = configured() if found is None or found is default_app() else found.settings
    resolved = resolve_settings(options, flags, given)
    modules = (*([named] if named else []), *imports)
    app = use(resolved.settings, found)
    return Opened(app, resolved.settings, resolved.origins, modules, advice_on(target, named or "", app.plugins))


@contextmanager
def open_database(options: GlobalOptions, flags: Mapping[str, object] | None = None) -> Iterator[Database]:
    """Connect to the database of the app, within some seconds. Raises Failure, ConfigurationError, StoreUnavailable."""
    from mongojobs.app.operations import Operator

    opened = open_app(options, flags)
    log_to(sys.stderr, opened.settings)
    connections = _connect(opened)
    connections.store.queries.on_warning = lambda message: say(printable(f"Warning: {message}"), err=True)
    try:
        operator = Operator(connections.store, opened.app.payloads, opened.app.lifecycle)
        yield Database(connections.store, connections.workers, opened.app.link.database, opened.place, operator)
    finally:
        connections.close()


def _connect(opened: Opened) -> Connections:
    from mongojobs.core.errors import ConnectionMissingError
    from mongojobs.store.clients import SHORT_PATIENCE

    try:
        return opened.app.connect_worker(opened.settings, patience=SHORT_PATIENCE)
    except ConnectionMissingError:
        if opened.advice:  # a factory that was not called could have made the connection
            say(printable(f"Warning: {opened.advice}"), err=True)
        raise


def log_to(file: TextIO, settings: Settings) -> None:
    """Log to *file* as the settings say."""
    from mongojobs.plugins.formats import set_up_logging

    set_up_logging(logging.StreamHandler(file), level=log_level(settings), form=settings.log_format, environ=os.environ)


def log_level(settings: Settings) -> str:
    """Return the lowest level to log."""
    return "warning" if settings.quiet else settings.log_level


def _import_all(modules: Iterable[str]) -> None:
    for module in modules:
        import_module(module, named_by="imports")
