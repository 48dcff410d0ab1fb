"""The commands of our further processes: this one's command again, and its environment."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from mongojobs.cli.shared.global_options import ENVIRONMENT_PREFIX, GlobalOptions
from mongojobs.cli.work.options import Pool, WorkOptions
from mongojobs.process.signals import SUPERVISED, hold_back

if TYPE_CHECKING:
    from mongojobs.process.supervisor import ChildCommand

_OURS_ALONE: Final = (
    *("MONGOJOBS_POOL", "MONGOJOBS_CHDIR", "MONGOJOBS_MONITOR", "MONGOJOBS_PIDFILE", "MONGOJOBS_LOG_DIR"),
    "MONGOJOBS_HEARTBEAT_FILE",
)
"""Variables that the supervisor has acted on and the children must not."""


def own_command(options: GlobalOptions, *words: str) -> list[str]:
    """Return the command that starts mongojobs with the same options, followed by *words*."""
    # -P: a module called mongojobs in the current folder must not take our place.
    return [sys.executable, "-P", "-m", "mongojobs", *options.words(), *words]


def own_environment(options: GlobalOptions) -> dict[str, str]:
    """Return the environment of the children; it holds the URI, as others cannot see it there."""
    environ = {name: value for name, value in os.environ.items() if name not in _OURS_ALONE}
    if "uri" in options.settings:
        environ[f"{ENVIRONMENT_PREFIX}URI"] = str(options.settings["uri"])
    return environ


def child_commands(options: GlobalOptions, work: WorkOptions, *, processes: int) -> list[ChildCommand]:
    """Return the command of each child: as many as the pools say, or *processes*."""
    pools = work.pools or (Pool(None, processes),)
    queue_lists = [pool.queues for pool in pools for _ in range(pool.processes)]
    return [_child(options, work, *work.words(), *_part(number, queues)) for number, queues in enumerate(queue_lists)]


def child_command(options: GlobalOptions, work: WorkOptions) -> ChildCommand:
    """Return the command that starts a child of this worker, for jobs to run in."""
    return _child(options, work, *WorkOptions("child", work.flags, log_dir=work.log_dir).words())


def restart(options: GlobalOptions, work: WorkOptions, *, processes: int, supervisor: int | None) -> NoReturn:
    """Start over as a supervisor, under the same *supervisor*: that the app wants *processes* is known but now."""
    environ = {**own_environment(options), f"{ENVIRONMENT_PREFIX}PROCESSES": str(processes)}
    environ |= {} if supervisor is None else {SUPERVISED: str(supervisor)}
    pidfile = [f"--pidfile={work.pidfile}"] if work.pidfile else []
    os.chdir(work.folder)
    hold_back()  # also while the next program begins: they reach it, once it is ready for them
    os.execve(sys.executable, own_command(options, *work.words(), *pidfile), environ)  # noqa: S606 - this very program


def _child(options: GlobalOptions, work: WorkOptions, *words: str) -> ChildCommand:
    from mongojobs.process.supervisor import ChildCommand

    return ChildCommand(own_command(options, *words), own_environment(options), folder=work.folder)


def _part(number: int, queues: str | None) -> list[str]:
    """Return the words that are the child's own; *queues* None: as the settings say."""
    return ["--processes=1", f"--number={number}", *([] if queues is None else [f"--queues={queues}"])]
