"""``MONGOJOBS = {...}`` in Django's settings: what ``mongojobs.configure`` takes, plugins by their dotted names too."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from mongojobs.app import MongoJobs, configure
from mongojobs.core.errors import ConfigurationError, SettingsError
from mongojobs.core.settings import Settings
from mongojobs.django.database import link_of, refuse_other
from mongojobs.django.discovery import tasks_databases


def configure_from_settings() -> MongoJobs:
    """Set up the default app as ``MONGOJOBS`` says, and return it. Raises ConfigurationError."""
    given = getattr(settings, "MONGOJOBS", {})
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"MONGOJOBS must be a dict of settings, such as {{'max_attempts': 5}}, got {given!r:.200}"
        )
    values = dict(given)
    try:
        using = _database_named(values)
        if "plugins" in values:
            values["plugins"] = _imported(values["plugins"])
        app = configure(**values)
    except SettingsError as error:
        raise SettingsError(f"MONGOJOBS in Django's settings: {error}{_hint(error)}", setting=error.setting) from None
    app.link_source = None if using is None else partial(link_of, using)
    return app


def _database_named(values: dict[str, Any]) -> str | None:
    """Return the database of Django that holds the jobs, if ``using`` or a tasks backend names one; takes it out."""
    named = {*tasks_databases(), *([values.pop("using")] if "using" in values else [])} - {None}
    if len(named) > 1:
        raise SettingsError(
            f"jobs are in one database, and these are named: {', '.join(map(repr, named))}", setting="using"
        )
    for using in named:
        refuse_other(using)
        if values.get("uri") is not None:
            raise SettingsError(
                f"using {using!r} and uri both say where the jobs are: leave one of them out", setting="using"
            )
    return next(iter(named), None)


def _imported(plugins: object) -> object:
    """Return *plugins* with those imported that are named by a text."""
    return [_plugin(one) for one in plugins] if isinstance(plugins, list | tuple) else plugins


def _plugin(given: object) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return import_string(given)
    except ImportError as error:
        raise SettingsError(f"plugins names {given!r}, which cannot be imported: {error}", setting="plugins") from error


def _hint(error: SettingsError) -> str:
    """Return what to do about a name in capitals, as Django's own settings have them."""
    lower = error.setting.lower()
    is_shouted = lower != error.setting and lower in Settings.__dataclass_fields__
    return f". Write {lower!r}: they are in small letters" if is_shouted else ""
