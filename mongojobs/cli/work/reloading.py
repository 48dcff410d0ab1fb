"""``mongojobs work --reload``: a worker that starts anew whenever Python files change, which never imports the app."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.work.options import WorkOptions
from mongojobs.cli.work.own_command import own_command, own_environment
from mongojobs.cli.work.worker_log import set_up_worker_logging

if TYPE_CHECKING:
    from pathlib import Path

    from mongojobs.core.settings import Settings

LOOK_MILLISECONDS: Final = 200
"""How often it is looked for changes, signals, and a child that has ended."""


def work_reloading(options: GlobalOptions, work: WorkOptions, settings: Settings) -> int:
    """Work until told to stop, and return the exit status. Raises ExtraMissingError without ``watchfiles``."""
    from mongojobs.process.reloader import Reloader
    from mongojobs.process.supervisor import ChildCommand

    changes = changed_files(work.folder)
    set_up_worker_logging(settings, work.log_dir)
    command = own_command(options, *work.words(), *work.supervisor_words())
    return Reloader(ChildCommand(command, own_environment(options), folder=work.folder), changes).run()


def changed_files(folder: Path) -> Iterator[set[str]]:
    """Return what gives, again and again, which Python files below *folder* have changed since, if any."""
    from mongojobs.core.errors import ExtraMissingError

    try:
        from watchfiles import PythonFilter, watch
    except ImportError:
        raise ExtraMissingError.of("reload", "--reload") from None
    found = watch(
        folder,
        watch_filter=PythonFilter(),
        rust_timeout=LOOK_MILLISECONDS,
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    return ({os.path.relpath(path, folder) for _, path in changes} for changes in found)
