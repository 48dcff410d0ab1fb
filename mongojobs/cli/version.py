"""``mongojobs version``."""

from __future__ import annotations

import click

from mongojobs.cli.options import Command
from mongojobs.version import __version__


@click.command(cls=Command)
def version() -> None:
    """Print the version of mongojobs."""
    click.echo(f"mongojobs {__version__}")
