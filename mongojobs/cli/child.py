"""``mongojobs child``: a process that runs jobs for a worker, started only by that worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_app
from mongojobs.cli.shared.options import Command, with_options
from mongojobs.cli.work.options import WORK_SETTINGS
from mongojobs.cli.work.worker_log import set_up_worker_logging


@with_options(
    click.Option(["--channel"], type=int, required=True),
    click.Option(["--life"], type=int, required=True),
    click.Option(["--log-dir"], type=click.Path(file_okay=False, path_type=Path)),
)
@click.command(cls=Command, settings=(*WORK_SETTINGS, "exit_on_complete"), hidden=True, takes_signals=True)
@click.pass_obj
def child(options: GlobalOptions, /, *, flags: dict[str, Any], channel: int, life: int, log_dir: Path | None) -> None:
    """Run the jobs that the worker sends through a socket."""
    from mongojobs.worker.children.child_main import ChildMain, end_with_the_worker, leave_signals_to_the_worker

    leave_signals_to_the_worker()
    end_with_the_worker(life)
    opened = open_app(options, flags)
    set_up_worker_logging(opened.settings, log_dir, at_once=True)
    app = opened.app
    ChildMain(channel, app.payloads, opened.settings, app.lifecycle, lambda: app.store).serve()
