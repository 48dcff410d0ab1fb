"""``manage.py mongojobs``: the command line of mongojobs, in a project."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand

from mongojobs.cli.main import main, run

APP: Final = "--app=mongojobs.django:setup"
"""What our further processes import, which run no ``manage.py``."""


class Command(BaseCommand):
    """Passes everything on, except what ``manage.py`` itself understands: ``--settings`` and ``--pythonpath``."""

    help = "Work off, look at and operate background jobs: the command line of mongojobs."

    def run_from_argv(self, argv: Sequence[str]) -> None:
        """Run the command line and exit the process with its status."""
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        parser.add_argument("--settings")
        parser.add_argument("--pythonpath", default="")
        given, words = parser.parse_known_args(argv[2:])
        _let_children_find(given.pythonpath, Path(argv[0]).resolve().parent)
        main([APP, *words], program=f"{Path(argv[0]).name} {argv[1]}")

    def print_help(self, prog_name: str, subcommand: str) -> None:
        """Show the help of the command line itself."""
        run(["--help"], program=f"{prog_name} {subcommand}")

    def add_arguments(self, parser: Any) -> None:
        """Accept the words of a command, as from ``call_command("mongojobs", "jobs", "list")``."""
        parser.add_argument("words", nargs=argparse.REMAINDER)

    def handle(self, *_args: Any, words: Sequence[str], **_options: Any) -> None:
        """Run the command. Raises SystemExit with its status unless that is 0."""
        try:
            run([APP, *words], program="manage.py mongojobs")
        except SystemExit as ended:
            if ended.code:
                raise


def _let_children_find(*folders: str | Path) -> None:
    """Let our further processes import from the *folders* that ``manage.py`` imports from, wherever they start."""
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    more = [str(folder) for folder in folders if str(folder) and str(folder) in {*sys.path} - {*known}]
    if more:
        os.environ["PYTHONPATH"] = os.pathsep.join([*more, *filter(None, known)])
