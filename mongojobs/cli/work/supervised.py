"""Several worker processes under a supervisor, which never imports the app."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from mongojobs.cli.shared.failures import NO
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.work.options import WorkOptions
from mongojobs.cli.work.own_command import child_commands
from mongojobs.cli.work.worker_log import set_up_worker_logging

if TYPE_CHECKING:
    from mongojobs.core.settings import Settings


def supervise(options: GlobalOptions, work: WorkOptions, settings: Settings) -> int:
    """Run the children until told to stop, and return the exit status."""
    from mongojobs.cli.work.readiness import ReadinessNotifier
    from mongojobs.process.signals import supervisor_of
    from mongojobs.process.supervisor import Supervisor

    set_up_worker_logging(settings, work.log_dir)
    notifier = ReadinessNotifier.taken_from(os.environ)
    commands = child_commands(options, work, processes=settings.processes)
    supervisor = Supervisor(
        notifier.share(commands),
        shutdown_timeout=settings.shutdown_timeout,
        boot_timeout=settings.boot_timeout,
        final_statuses=_final_statuses(settings, work),
        beat=notifier.beat,
        parent=supervisor_of(os.environ),
    )
    with _heartbeat_of(len(commands), work):
        return supervisor.run()


def _heartbeat_of(processes: int, work: WorkOptions) -> AbstractContextManager[object]:
    """Make the heartbeat file, if there is one, refer to those of the children in the block."""
    from mongojobs.plugins.heartbeat_file import HeartbeatFile

    if work.heartbeat_file is None:
        return nullcontext()
    heartbeat = HeartbeatFile(work.heartbeat_file)
    heartbeat.refer_to(processes)
    return heartbeat


def _final_statuses(settings: Settings, work: WorkOptions) -> frozenset[int]:
    if not settings.exit_on_complete:
        return frozenset()
    return frozenset({0, NO} if work.fail_on_error else {0})
