"""`mongojobs` in the process of the test, which is quick; what it sets up is put back."""

import logging

from click.testing import CliRunner, Result

import mongojobs
from mongojobs.cli.main import mongojobs as command_line


def run_here(*arguments: str, **environ: str) -> Result:
    """Run a command of the default app, or of the one that *environ* names."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        return CliRunner().invoke(command_line, arguments, env=environ)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        if "MONGOJOBS_URI" in environ:
            mongojobs.default_app().close()
