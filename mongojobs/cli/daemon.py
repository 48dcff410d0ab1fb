"""``mongojobs daemon``: workers in the background, started and stopped as by delayed_job's script.

However many processes a daemon has, they hang together under one process with one pid file; so whoever stops it or asks
for it need not know how many they are.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, Any, Final

import click

from mongojobs.cli.shared.failures import CONFLICT, NO, Failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.options import Command, DurationType, Group, own_option, with_options
from mongojobs.cli.shared.output import json_option, print_json, say
from mongojobs.cli.work.command import LEAVING_SECONDS, settings_outside, work_with
from mongojobs.cli.work.options import (
    WORK_SETTINGS,
    WorkOptions,
    identifier_option,
    work_options,
    work_options_of,
)
from mongojobs.cli.work.pidfile import PidFile
from mongojobs.core.words.wording import in_words
from mongojobs.process.identity import ProcessIdentity

if TYPE_CHECKING:
    from mongojobs.cli.work.pidfile import Seen, State

STATUSES: Final[dict[State, int]] = {"running": 0, "dead": 1, "stopped": 3}
"""The exit statuses of ``status``. Source: the convention for init scripts."""

DEFAULT_LOG_DIR: Final = Path("log")

_USUAL_PATIENCE_SECONDS: Final = 25.0 + LEAVING_SECONDS
_KILLED_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon by its identifier, if it has one, and the folder of its pid file."""

    pid_dir: Path
    identifier: str | None = None

    @property
    def name(self) -> str:
        """Its name in messages and file names."""
        return "mongojobs" if self.identifier is None else f"mongojobs.{self.identifier}"

    @property
    def pid_file(self) -> PidFile:
        """The file that it holds while it runs."""
        return PidFile(self.pid_dir / f"{self.name}.pid")


def _pid_dir_option() -> click.Option:
    return own_option(
        "--pid-dir",
        text="folder of the pid file; created if missing; must not be writable by others",
        variable="MONGOJOBS_PID_DIR",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("tmp/pids"),
        show_default=True,
        metavar="DIR",
    )


def _timeout_option(*names: str) -> click.Option:
    text = "how long it may take to stop before it is killed; default: its shutdown timeout plus 10 s"
    return own_option(*names, text=text, type=DurationType())


def _start_timeout_option() -> click.Option:
    text = "how long to wait for it to be up"
    return own_option("--start-timeout", text=text, type=DurationType(), default="60s", show_default=True)


_WORKING: Final = (*WORK_SETTINGS, "exit_on_complete")


@click.group(cls=Group)
def daemon() -> None:
    """Start, stop and watch workers in the background.

    On Heroku, in containers and under systemd, use `mongojobs work` instead: they expect a foreground process.
    """


@with_options(_pid_dir_option(), _start_timeout_option(), *work_options())
@daemon.command(cls=Command, settings=_WORKING)
@click.pass_obj
def start(options: GlobalOptions, /, *, pid_dir: Path, start_timeout: timedelta, **values: Any) -> None:
    """Start workers in the background, and wait until they are up.

    Takes the options of `mongojobs work`, and passes them on. The log, and whatever jobs print, goes to
    log/mongojobs.log.
    """
    daemon = _daemon(pid_dir, values)
    _start(options, daemon, work_options_of("work", values), start_timeout)


@with_options(_pid_dir_option(), identifier_option(), _timeout_option("--timeout"))
@daemon.command(cls=Command)
def stop(*, pid_dir: Path, identifier: str | None, timeout: timedelta | None) -> None:
    """Stop the workers: running jobs have the shutdown timeout to end, and are handed back after it."""
    _stop(Daemon(pid_dir, identifier), timeout)


@with_options(_pid_dir_option(), _timeout_option("--timeout"), _start_timeout_option(), *work_options())
@daemon.command(cls=Command, settings=_WORKING)
@click.pass_obj
def restart(
    options: GlobalOptions, /, *, pid_dir: Path, timeout: timedelta | None, start_timeout: timedelta, **values: Any
) -> None:
    """Stop the workers, if they are running, and start them with the options given now."""
    daemon, work = _daemon(pid_dir, values), work_options_of("work", values)
    settings_outside(options, work)  # what cannot be started is not stopped either
    _stop(daemon, timeout)
    _start(options, daemon, work, start_timeout)


@with_options(_pid_dir_option(), *work_options())
@daemon.command(cls=Command, settings=_WORKING, takes_signals=True)
@click.pass_obj
def run(options: GlobalOptions, /, *, pid_dir: Path, **values: Any) -> None:
    """Work in the foreground, holding the daemon's pid file: only one of the two can run at a time."""
    path = _daemon(pid_dir, values).pid_file.path
    work_with(options, work_options_of("work", values | {"pidfile": path})).leave()


@with_options(_pid_dir_option(), identifier_option(), json_option())
@daemon.command(cls=Command)
@click.pass_context
def status(context: click.Context, /, *, pid_dir: Path, identifier: str | None, as_json: bool) -> None:
    """Say whether the workers are running: exit status 0 if they are, 1 if they died, 3 if they are stopped."""
    daemon = Daemon(pid_dir, identifier)
    seen = daemon.pid_file.look()
    pid = seen.process.pid if seen.process and seen.state == "running" else None
    if as_json:
        print_json({"name": daemon.name, "state": seen.state, "pid": pid, "pid_file": str(daemon.pid_file.path)})
    else:
        say(_in_words(daemon, seen.state, pid))
    context.exit(STATUSES[seen.state])


def _in_words(daemon: Daemon, state: State, pid: int | None) -> str:
    match state:
        case "running":
            return f"{daemon.name} is running{f' (pid {pid})' if pid else ''}"
        case "dead":
            return f"{daemon.name} is dead, and left the pid file {daemon.pid_file.path}: its log says why"
        case _:
            return f"{daemon.name} is stopped"


def _daemon(pid_dir: Path, values: dict[str, Any]) -> Daemon:
    return Daemon(pid_dir, values["identifier"])


def _start(options: GlobalOptions, daemon: Daemon, work: WorkOptions, timeout: timedelta) -> None:
    from mongojobs.cli.work.launch import launch

    settings_outside(options, work)
    seen = daemon.pid_file.look()
    if seen.state == "running":
        raise Failure(_in_words(daemon, seen.state, seen.process.pid if seen.process else None), CONFLICT)
    log = (work.log_dir or DEFAULT_LOG_DIR) / f"{daemon.name}.log"
    work = replace(work, pidfile=daemon.pid_file.path)
    started = launch(options, work, log=log, seconds=timeout.total_seconds())
    say(f"{daemon.name} is running (pid {started.pid}); its log: {log}")
    if started.waits_for:
        say(f"It is waiting for the database: {started.waits_for}", err=True)


def _stop(daemon: Daemon, timeout: timedelta | None) -> None:
    """Stop the daemon and wait until it is gone. Only the process that holds the pid file gets a signal."""
    seen = daemon.pid_file.look()
    if seen.state != "running":
        daemon.pid_file.clear()
        say(f"{daemon.name} is not running")
        return
    process = _holder(daemon, seen)
    patience = timeout.total_seconds() if timeout is not None else seen.patience_seconds or _USUAL_PATIENCE_SECONDS
    process.send(Signals.SIGTERM)
    if not _is_gone(daemon, process, patience):
        say(f"It did not stop within {in_words(timedelta(seconds=patience))}: killing it", err=True)
        process.send(Signals.SIGKILL)
        if not _is_gone(daemon, process, _KILLED_SECONDS):
            raise Failure(f"{daemon.name} (pid {process.pid}) cannot be killed", NO)
    with suppress(Failure):
        daemon.pid_file.clear()  # one that was killed, or stopped while it imported the app, has left its file
    say(f"{daemon.name} is stopped")


def _holder(daemon: Daemon, seen: Seen) -> ProcessIdentity:
    """Return the process that holds the pid file. Raises Failure if the file names another one."""
    if seen.process is None or not seen.process.is_there:
        raise Failure(
            f"{daemon.pid_file.path} is locked by a process other than the one it names: nothing was stopped", CONFLICT
        )
    return seen.process


def _is_gone(daemon: Daemon, process: ProcessIdentity, seconds: float) -> bool:
    """Wait until the process is gone, or has at least released its file, which another may hold next."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while True:
        seen = daemon.pid_file.look()
        if seen.state != "running" or (seen.process is not None and seen.process != process):
            return True
        if time.monotonic() >= deadline:
            return False
        pause.wait(_POLL_SECONDS)
