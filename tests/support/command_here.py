"""`mongojobs` in the process of the test, which is quick; what it sets up is put back."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from click.testing import Result

import mongojobs
from mongojobs.cli.main import mongojobs as command_line
from tests.support.command_line import runner


@contextmanager
def logging_put_back() -> Iterator[None]:
    """Undo in the end what commands do to the log of their process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)


def run_here(*arguments: str, **environ: str) -> Result:
    """Run a command of the default app, or of the one that *environ* names."""
    try:
        with logging_put_back():
            return runner().invoke(command_line, arguments, env=environ)
    finally:
        if "MONGOJOBS_URI" in environ:
            mongojobs.default_app().close()
