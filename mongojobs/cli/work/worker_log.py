"""The log of a worker process: to standard output, or to a file."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from mongojobs.cli.shared.failures import NO, Failure
from mongojobs.cli.shared.opening import log_level
from mongojobs.cli.shared.standard_files import never_fail
from mongojobs.plugins.output import Output, buffered

if TYPE_CHECKING:
    from mongojobs.core.settings import Settings

LOG_FILE: Final = "mongojobs.log"


def set_up_worker_logging(settings: Settings, log_dir: Path | None, *, at_once: bool = False) -> None:
    """Log to standard output, or to the file in *log_dir*; with *at_once*, each line by itself. Raises Failure."""
    from mongojobs.plugins.formats import set_up_logging
    from mongojobs.plugins.job_lines import JobLines
    from mongojobs.plugins.output import LogHandler, be_heard

    never_fail()
    handler = LogHandler(sys.stdout.buffer if log_dir is None else _open_log(log_dir), at_once=at_once)
    set_up_logging(handler, level=log_level(settings), form=settings.log_format, environ=os.environ)
    be_heard(handler, JobLines(handler).write)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what jobs print stands between the log lines of its time


def _open_log(folder: Path) -> BinaryIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOG_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise Failure(f"cannot write the log in {folder}: {error.strerror}", NO) from None
    return buffered(Output(descriptor))
