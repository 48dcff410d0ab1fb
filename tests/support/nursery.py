"""Runners with children, for tests: the child of one test goes on in the next, as it takes a second to start."""

import os
import sys
from typing import Any

from mongojobs.process.supervisor import ChildCommand
from mongojobs.worker.children.process import Child
from mongojobs.worker.children.runner import ChildRunner
from mongojobs.worker.run.judgement import RunContext
from tests.support.command_line import ROOT, clean_environ

APP = "tests.support.child_app"


def child_command(**environ: str) -> ChildCommand:
    """Return the command of a child that knows the jobs of the child app."""
    arguments = [sys.executable, "-m", "mongojobs", "--app", APP, "--chdir", str(ROOT), "child"]
    return ChildCommand(arguments, clean_environ(environ | {"PATH": os.environ["PATH"]}))


class Nursery:
    """Keeps the child of the thread that asks."""

    def __init__(self, **environ: str) -> None:
        self._command = child_command(**environ)
        self._runner: ChildRunner | None = None

    def runner(self, context: RunContext, **options: Any) -> ChildRunner:
        """Return a runner that takes over the child of the last one."""
        runner = ChildRunner(context, command=self._command, **options)
        if self._runner is not None:
            runner._own.child, runner._children = self._child(), self._runner._children
        self._runner = runner
        return runner

    def close(self) -> None:
        """End the child."""
        if self._runner is not None:
            self._runner.close(5)

    def _child(self) -> Child | None:
        assert self._runner is not None
        return self._runner._own.child
