"""``mongojobs config``: the settings in force, and where each comes from."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import click

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import Opened, open_app
from mongojobs.cli.shared.options import Command, with_options
from mongojobs.cli.shared.output import TableColumn, json_option, print_json, print_table, say
from mongojobs.cli.shared.settings import app_named

_COLUMNS: Final = (TableColumn("SETTING"), TableColumn("VALUE"), TableColumn("FROM"))


@with_options(json_option())
@click.command(cls=Command)
@click.pass_obj
def config(options: GlobalOptions, /, *, as_json: bool) -> None:
    """Show the settings in force, and where each comes from.

    The first source that names a setting wins: flags, the environment, pyproject.toml, configure() in the app.
    """
    from mongojobs.app.dashboard import shown_setting

    opened = open_app(options)
    app, place = app_named(options), opened.place_if_known
    if as_json:
        print_json({"app": app, "jobs": place, "settings": _document(opened)})
        return
    say(f"App:  {app or 'none'}\nJobs: {place or 'no connection is configured'}\n")
    print_table(
        _COLUMNS,
        [(name, shown_setting(opened.settings, name), origin) for name, origin in opened.origins.items()],
    )


def _document(opened: Opened) -> dict[str, object]:
    from mongojobs.app.dashboard import safe_setting

    return {
        field.name: {"value": safe_setting(opened.settings, field.name), "from": opened.origins[field.name]}
        for field in fields(opened.settings)
    }
