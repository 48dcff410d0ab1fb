"""``mongojobs schedules``: the group."""

from __future__ import annotations

import click

from mongojobs.cli.schedules import changing, listing
from mongojobs.cli.schedules.next import next_times
from mongojobs.cli.shared.options import Group


@click.group(cls=Group)
def schedules() -> None:
    """Look at recurring jobs and change them."""


for _command in (*listing.COMMANDS, *changing.COMMANDS, next_times):
    schedules.add_command(_command)
