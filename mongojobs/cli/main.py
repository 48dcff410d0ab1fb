"""``mongojobs``: the group of all commands, each loaded when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final

import click

from mongojobs.cli.shared.failures import Failure, failure
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.options import Group, global_options
from mongojobs.cli.shared.standard_files import open_standard_files
from mongojobs.core.errors import DOCS
from mongojobs.core.words.wording import printable_lines
from mongojobs.plugins.output import OutputError
from mongojobs.process.interpreter import end_without_the_driver
from mongojobs.process.signals import hold_back
from mongojobs.version import __version__

COMMANDS: Final = {
    "create-indexes": "indexes",
    "work": "work.command",
    "workoff": "work.command",
    "status": "status",
    "top": "top",
    "check": "status",
    "latency": "queues",
    "jobs": "jobs.command",
    "queues": "queues",
    "schedules": "schedules.command",
    "workers": "workers",
    "enqueue": "enqueue",
    "requeue": "requeue",
    "clear": "clear",
    "purge": "clear",
    "explain": "explain",
    "daemon": "daemon",
    "health": "health",
    "doctor": "doctor",
    "init": "init",
    "metrics": "metrics",
    "web": "web",
    "config": "config",
    "completion": "completion",
    "version": "version",
}
"""Each command, in the order of the help, and its module."""

INTERNAL: Final = {"child": "child"}
"""Commands that our own processes start and people do not; hidden."""

ALIASES: Final = {"jobs:work": "work", "jobs:workoff": "workoff", "jobs:check": "check", "jobs:clear": "clear"}
"""The names of delayed_job's rake tasks; hidden."""


class Commands(Group):
    """The commands by name; a module is imported when its command is needed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, aliases=ALIASES, **options)
        self.commands: dict[str, click.Command] = {name: click.Command(name) for name in COMMANDS}
        # click suggests these for misspelled ones

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click passes it
        """Return the names that the help shows."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click passes it
        """Return the command *cmd_name* or None."""
        name = self.aliases.get(cmd_name, cmd_name)
        module_name = COMMANDS.get(name) or INTERNAL.get(name)
        if module_name is None:
            return None
        module = importlib.import_module(f"mongojobs.cli.{module_name}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors that people can understand without a traceback are shown without one."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = _printable(error.message)  # type: ignore[misc]  # it is shown, and nothing else
            raise
        except Exception as error:
            plain = failure(error)
            if plain is None:
                raise
            raise Failure(_printable(plain.message), plain.exit_code) from error


def _printable(message: str) -> str:
    return "\n".join(printable_lines(message))


@click.group(
    cls=Commands,
    params=global_options(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=f"Signals, exit statuses: {DOCS}/commands.md\n\nSettings: {DOCS}/settings.md",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def mongojobs(context: click.Context, /, **values: Any) -> None:
    """Background jobs for Python apps, kept in the MongoDB they already have.

    These options may also be given after the command. Instead, each can be set by the environment variable in brackets,
    or in [tool.mongojobs] of pyproject.toml.
    """
    context.obj = options = GlobalOptions.of(values)
    context.color = options.colors


def main(words: Sequence[str] | None = None, *, program: str = "mongojobs") -> None:
    """Run the command line, or the one of these *words*, and exit the process with its status."""
    hold_back()
    open_standard_files()
    try:
        run(words, program=program)
    finally:
        end_without_the_driver()


def run(words: Sequence[str] | None, *, program: str) -> None:
    """Run it as a part of a *program*, which goes on with its signals and files. Raises SystemExit."""
    try:
        mongojobs(words, prog_name=program)
    except OutputError as error:
        raise SystemExit(f"Error: cannot write to standard output: {error.strerror}") from None
