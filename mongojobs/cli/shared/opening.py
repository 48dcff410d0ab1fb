"""From the options of a command to an app and its database."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mongojobs.cli.shared.importing import import_app, import_module
from mongojobs.cli.shared.options import GlobalOptions
from mongojobs.cli.shared.output import printable, say

if TYPE_CHECKING:
    from mongojobs.app import MongoJobs
    from mongojobs.app.operations import Operator
    from mongojobs.core.settings import Resolved, Settings
    from mongojobs.store.jobs import JobStore
    from mongojobs.store.workers import WorkerStore


HOW_TO_NAME_JOBS: Final = (
    'Name the modules that declare them: --import shop.jobs, MONGOJOBS_IMPORTS=shop.jobs, or imports = ["shop.jobs"] in'
    " [tool.mongojobs] of pyproject.toml; `mongojobs jobs declared` lists what is found. If the jobs are methods of"
    " documents without Delayable, add --allow-none"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """An app, its settings and where each of them comes from; *modules* are those that were imported for it."""

    app: MongoJobs
    settings: Settings
    origins: Mapping[str, str]
    modules: tuple[str, ...]

    @property
    def named(self) -> str:
        """What was imported, for people."""
        return f"the app ({', '.join(self.modules)})"

    @property
    def place(self) -> str:
        """Where the jobs are and who said so, without the password. Raises ConfigurationError."""
        from mongojobs.store.clients import safe_uri

        link = self.app.link
        source = self.origins["uri"] if link.source == "uri" else link.source
        address = safe_uri(link.address) if link.address and "://" in link.address else ""
        where = address if address.endswith(f"/{link.database}") else f"database {link.database} {address}".rstrip()
        return f"{self.settings.collection} in {where} (from {'--uri' if source == 'flag' else source})"


@dataclass(frozen=True, slots=True)
class Database:
    """The database of an app: the jobs in it, what can be done with them, and its *place*, for people."""

    store: JobStore
    workers: WorkerStore
    name: str
    place: str
    operator: Operator


def open_app(told: GlobalOptions, flags: Mapping[str, object] | None = None) -> Opened:
    """Import the app, and give it its settings, with *flags* above all others. Raises Failure, ConfigurationError."""
    from mongojobs.app import MongoJobs
    from mongojobs.app.mongojobs import configured, use

    named = app_named(told)
    target: object = import_app(named) if named else None
    instance = target if isinstance(target, MongoJobs) else None
    imports = modules_named(told) or (instance.settings if instance else configured()).imports
    _import_all(imports)
    resolved = resolve_settings(told, flags, instance.settings if instance else configured())
    modules = (*([named] if named else []), *imports)
    return Opened(use(resolved.settings, instance), resolved.settings, resolved.origins, modules)


@contextmanager
def open_database(told: GlobalOptions, flags: Mapping[str, object] | None = None) -> Iterator[Database]:
    """Connect to the database of the app, within some seconds. Raises Failure, ConfigurationError, StoreUnavailable."""
    from mongojobs.app.operations import Operator
    from mongojobs.plugins.formats import set_up_logging
    from mongojobs.store.clients import SHORT_PATIENCE

    opened = open_app(told, flags)
    settings, handler = opened.settings, logging.StreamHandler(sys.stderr)
    set_up_logging(handler, level=log_level(settings), form=settings.log_format, environ=os.environ)
    connections = opened.app.connect_worker(opened.settings, patience=SHORT_PATIENCE)
    connections.store.on_warning = lambda message: say(printable(f"Warning: {message}"), err=True)
    try:
        operator = Operator(connections.store, opened.app.payloads)
        yield Database(connections.store, connections.workers, opened.app.link.database, opened.place, operator)
    finally:
        connections.close()


def resolve_settings(told: GlobalOptions, flags: Mapping[str, object] | None, configured: Settings) -> Resolved:
    """Lay the file, the environment and the flags over what the app *configured*. Raises SettingsError."""
    from mongojobs.app.pyproject import settings_of
    from mongojobs.core.settings import resolve

    return resolve(
        configured=configured,
        file=settings_of(_table(told)),
        environ=os.environ,
        flags={**told.settings, **({"imports": told.imports} if told.imports else {}), **(flags or {})},
    )


def log_level(settings: Settings) -> str:
    """Return the least level to log."""
    return "warning" if settings.quiet else settings.log_level


def app_named(told: GlobalOptions) -> str | None:
    """Return the app that the options or the file name, if any. Raises ConfigurationError."""
    named = told.app or _table(told).get("app")
    if named is not None and not isinstance(named, str):
        raise click.UsageError(f"app in [tool.mongojobs] must be MODULE or MODULE:ATTR, got {named!r}")
    return named


def modules_named(told: GlobalOptions) -> tuple[str, ...]:
    """Return the further modules to import, as far as they are known without the app. Raises ConfigurationError."""
    from mongojobs.core.settings import Settings

    return resolve_settings(told, None, Settings()).settings.imports


def refuse_without_app(told: GlobalOptions) -> None:
    """Raise UsageError unless it is known what to import: the command needs to know the app's jobs."""
    if not app_named(told) and not modules_named(told):
        raise click.UsageError(
            "which app? Name the module that defines the jobs, as in `mongojobs --app myapp.jobs ...`, or by"
            " MONGOJOBS_APP, or as app in [tool.mongojobs] of pyproject.toml"
        )


def _import_all(modules: Iterable[str]) -> None:
    for module in modules:
        import_module(module, named_by="imports")


def _table(told: GlobalOptions) -> Mapping[str, object]:
    from mongojobs.app.pyproject import read_file

    path = told.config or Path("pyproject.toml")
    if told.config is not None and not path.exists():
        raise click.UsageError(f"--config: there is no file {path}")
    return read_file(path)
