"""The settings of a command: flags over the environment over the file, and the app that these name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mongojobs.cli.shared.global_options import GlobalOptions

if TYPE_CHECKING:
    from mongojobs.core.settings import Resolved, Settings


def resolve_settings(options: GlobalOptions, flags: Mapping[str, object] | None, configured: Settings) -> Resolved:
    """Lay the file, the environment and the flags over what the app *configured*. Raises SettingsError."""
    from mongojobs.app.pyproject import settings_of
    from mongojobs.core.settings import resolve

    return resolve(
        configured=configured,
        file=settings_of(_table(options)),
        environ=os.environ,
        flags={**options.settings, **({"imports": options.imports} if options.imports else {}), **(flags or {})},
    )


def app_named(options: GlobalOptions) -> str | None:
    """Return the app that the options or the file name, if any. Raises ConfigurationError."""
    named = options.app or _table(options).get("app")
    if named is not None and not isinstance(named, str):
        raise click.UsageError(f"app in [tool.mongojobs] must be MODULE or MODULE:ATTR, got {named!r}")
    return named


def modules_named(options: GlobalOptions) -> tuple[str, ...]:
    """Return the further modules to import, as far as they are known without the app. Raises ConfigurationError."""
    from mongojobs.core.settings import Settings

    return resolve_settings(options, None, Settings()).settings.imports


def refuse_without_app(options: GlobalOptions, command: str = "...") -> None:
    """Raise UsageError unless it is known what to import: *command* needs to know the app's jobs."""
    if not app_named(options) and not modules_named(options):
        raise click.UsageError(
            f"which app? Name the module that declares the jobs, as in `mongojobs --app myapp.jobs {command}`, in"
            " MONGOJOBS_APP, or as app in [tool.mongojobs] of pyproject.toml"
        )


def _table(options: GlobalOptions) -> Mapping[str, object]:
    from mongojobs.app.pyproject import read_file

    path = options.config or Path("pyproject.toml")
    if options.config is not None and not path.exists():
        raise click.UsageError(f"--config: there is no file {path}")
    return read_file(path)
