"""Completing queue names at the Tab key; click completes commands and flags by itself."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.settings import resolve_settings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PATIENCE: Final = timedelta(seconds=1)
"""Nobody waits longer after pressing Tab."""


def complete_queues(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the queues that have ready jobs, for the last name of a comma-separated list; nothing if it takes too long.

    The app is not imported: where only it knows the database, nothing is offered.
    """
    from click.shell_completion import CompletionItem

    before, comma, begun = incomplete.rpartition(",")
    names = [name for name in _queues(context) if name.startswith(begun) and name.isprintable()]
    return [CompletionItem(f"{before}{comma}{name}") for name in names]


def _queues(context: click.Context) -> list[str]:
    from mongojobs.app.connections import peek_at_queues
    from mongojobs.core.settings import Settings

    try:
        options = GlobalOptions.of(context.find_root().params)
        settings = resolve_settings(options, None, Settings()).settings
        return peek_at_queues(settings, os.environ, within=PATIENCE)
    except Exception:  # noqa: BLE001 - no suggestions then, rather than an error in the middle of a line
        return []
