"""``mongojobs work`` and ``mongojobs workoff``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.options import Command, own_option, with_options
from mongojobs.cli.shared.settings import refuse_without_app, resolve_settings
from mongojobs.cli.work.exit import ExitResult
from mongojobs.cli.work.options import (
    WORK_SETTINGS,
    Pool,
    WorkOptions,
    pidfile_option,
    work_options,
    work_options_of,
)
from mongojobs.cli.work.reloading import work_reloading
from mongojobs.cli.work.supervised import supervise
from mongojobs.cli.work.worker import work_here

if TYPE_CHECKING:
    from mongojobs.core.settings import Settings

LEAVING_SECONDS: Final = 10.0
"""How much longer than its ``shutdown_timeout`` a worker may take to leave, with its supervisor."""


@with_options(
    *work_options(),
    pidfile_option(),
    own_option("--reload", text="for development: start anew when Python files of this folder change", is_flag=True),
)
@click.command(cls=Command, settings=(*WORK_SETTINGS, "exit_on_complete"), takes_signals=True)
@click.pass_context
def work(context: click.Context, /, *, reload: bool, **values: Any) -> None:
    """Work off jobs until told to stop.

    TERM and Ctrl-C stop it: running jobs have the shutdown timeout to end, and are handed back after it. A second
    Ctrl-C, or QUIT, hands them back at once. TSTP and USR1 make it reserve no more jobs; USR2 prints the stacks of all
    threads.
    """
    options, chosen = context.obj, work_options_of("work", values)
    if reload:
        ExitResult(work_reloading(options, chosen, settings_outside(options, chosen))).leave()
    work_with(options, chosen).leave()


@with_options(
    *work_options(),
    pidfile_option(),
    own_option(
        "--fail-on-error",
        text="exit status 1 if any job failed",
        variable="MONGOJOBS_FAIL_ON_ERROR",
        is_flag=True,
    ),
)
@click.command(cls=Command, settings=WORK_SETTINGS, takes_signals=True)
@click.pass_context
def workoff(context: click.Context, /, *, flags: dict[str, object], **values: Any) -> None:
    """Work off the jobs that are due, and exit."""
    flags["exit_on_complete"] = True
    work_with(context.obj, work_options_of("workoff", values | {"flags": flags})).leave()


def work_with(options: GlobalOptions, work: WorkOptions) -> ExitResult:
    """Work in this process, or in several under a supervisor. Raises Failure."""
    settings = settings_outside(options, work)
    with _pid_file(work.pidfile, settings.shutdown_timeout):
        if work.monitor or work.pools or settings.processes > 1:
            return ExitResult(supervise(options, work, settings))
        return work_here(options, work)


def settings_outside(options: GlobalOptions, work: WorkOptions) -> Settings:
    """Return the settings as far as they are known without the app. Raises UsageError when they do not name it."""
    from mongojobs.core.settings import Settings

    refuse_without_app(options, "work")
    _refuse_contradictions(work.pools, work.flags)
    return resolve_settings(options, work.flags, Settings()).settings


def _pid_file(path: Path | None, shutdown_timeout: timedelta) -> AbstractContextManager[None]:
    from mongojobs.cli.work.pidfile import PidFile

    if path is None:
        return nullcontext()
    return PidFile(path).held(patience_seconds=shutdown_timeout.total_seconds() + LEAVING_SECONDS)


def _refuse_contradictions(pools: tuple[Pool, ...], flags: dict[str, object]) -> None:
    for name in ("queues", "processes"):
        if pools and name in flags:
            raise click.UsageError(f"--{name} and --pool exclude each other: a pool names its queues and its processes")
