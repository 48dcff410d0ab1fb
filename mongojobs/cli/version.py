"""``mongojobs version``."""

from __future__ import annotations

import click

from mongojobs.cli.shared.options import Command, with_options
from mongojobs.cli.shared.output import json_option, print_json
from mongojobs.version import __version__


@with_options(json_option())
@click.command(cls=Command)
def version(*, as_json: bool) -> None:
    """Print the version of mongojobs."""
    if as_json:
        print_json({"version": __version__})
    else:
        click.echo(f"mongojobs {__version__}")
