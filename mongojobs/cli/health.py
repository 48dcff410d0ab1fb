"""``mongojobs health``: whether a worker's loop turns, read from its heartbeat file, without the app or a driver."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from mongojobs.cli.shared.failures import NO
from mongojobs.cli.shared.options import Command, DurationType, own_option, with_options
from mongojobs.cli.shared.output import json_option, print_json, say
from mongojobs.core.words.wording import in_words


def heartbeat_option(text: str, *, required: bool = False) -> click.Option:
    """Return the flag that names the heartbeat file."""
    file = click.Path(dir_okay=False, path_type=Path)
    variable = "MONGOJOBS_HEARTBEAT_FILE"
    return own_option("--heartbeat-file", text=text, variable=variable, required=required, type=file)


@with_options(
    heartbeat_option("the file that the worker was told to write", required=True),
    own_option(
        "--max-age",
        text="longest time since the worker's loop last turned",
        default="60s",
        type=DurationType(),
        show_default=True,
    ),
    json_option(),
)
@click.command(cls=Command)
@click.pass_context
def health(context: click.Context, /, *, heartbeat_file: Path, max_age: timedelta, as_json: bool) -> None:
    """Exit with status 1 unless the worker is alive, as `work --heartbeat-file` records each time its loop turns.

    For the health checks of containers. It asks neither the app nor the database: while the database is away the worker
    waits for it, and a restart would not help.
    """
    from mongojobs.plugins.heartbeat_file import ages_in

    ages = ages_in(heartbeat_file)
    limit = max_age.total_seconds()
    still = [age for age in ages if age is None or age > limit]
    known = [age for age in ages if age is not None]
    if as_json:
        oldest = max(known) if len(known) == len(ages) else None
        print_json({"healthy": not still, "processes": len(ages), "oldest_seconds": oldest, "max_age_seconds": max_age})
    else:
        say(_verdict(ages, still, heartbeat_file))
    context.exit(NO if still else 0)


def _verdict(ages: Sequence[float | None], still: Sequence[float | None], path: Path) -> str:
    if not still:
        oldest = max(age for age in ages if age is not None)
        return f"The worker's loop turned {in_words(timedelta(seconds=oldest))} ago"
    if still[0] is None:
        text = f"No worker has recorded a heartbeat in {path}"
    else:
        text = f"The worker's loop last turned {in_words(timedelta(seconds=still[0]))} ago"
    return text if len(ages) == 1 else f"{text} ({len(still)} of {len(ages)} processes stalled)"
