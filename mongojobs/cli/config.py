"""``mongojobs config``: the settings in force, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.opening import Opened, app_named, open_app
from mongojobs.cli.options import Command, GlobalOptions, with_options
from mongojobs.cli.output import NONE, Column, json_option, print_json, print_table

if TYPE_CHECKING:
    from mongojobs.core.settings import Settings

_COLUMNS: Final = (Column("SETTING"), Column("VALUE"), Column("FROM"))


@with_options(json_option())
@click.command(cls=Command)
@click.pass_obj
def config(told: GlobalOptions, /, *, as_json: bool) -> None:
    """Show the settings in force, and where each comes from.

    The first source that names a setting wins: flags, the environment, pyproject.toml, configure() in the app.
    """
    opened = open_app(told)
    app, place = app_named(told), _place(opened)
    if as_json:
        print_json({"app": app, "jobs": place, "settings": _document(opened)})
        return
    click.echo(f"App:  {app or 'none'}\nJobs: {place or 'no connection is configured'}\n")
    print_table(
        _COLUMNS,
        [(name, shown_setting(opened.settings, name), origin) for name, origin in opened.origins.items()],
    )


def shown_setting(settings: Settings, name: str) -> str:
    """Return the value of a setting for people; the URI without its credentials."""
    from mongojobs.core.durations import format_duration

    value = _safe(settings, name)
    match value:
        case None | () | "":
            return NONE
        case timedelta():
            return format_duration(value)
        case tuple():
            return ",".join(map(str, value))
        case bool():
            return str(value).lower()
        case Mapping():
            return ", ".join(f"{key}: {_inner(inner)}" for key, inner in value.items()) or NONE
        case _:
            return str(value)


def _place(opened: Opened) -> str | None:
    from mongojobs.core.errors import ConfigurationError

    try:
        return opened.place
    except ConfigurationError:
        return None


def _document(opened: Opened) -> dict[str, object]:
    return {
        field.name: {"value": _safe(opened.settings, field.name), "from": opened.origins[field.name]}
        for field in fields(opened.settings)
    }


def _safe(settings: Settings, name: str) -> Any:
    from mongojobs.store.clients import safe_uri

    value = getattr(settings, name)
    if name == "uri" and value is not None:
        return safe_uri(value)
    return getattr(value, "__qualname__", repr(value)) if callable(value) else value


def _inner(attributes: Mapping[str, object]) -> str:
    return " ".join(f"{key} {value}" for key, value in attributes.items())
