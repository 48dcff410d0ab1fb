"""The commands of docs/operating.md exist, and take the flags that stand there."""

import re
import shlex

import click
import pytest

from mongojobs.cli.main import mongojobs as command_line
from tests.support.command_line import ROOT

TEXT = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
COMMANDS = [line.partition("#")[0].strip() for line in re.findall(r"^\$ mongojobs (.*)$", TEXT, re.MULTILINE)]


def parsed(command, words, parent=None):
    """Have click read *words* for *command*, and for the commands within it, without doing what they say."""
    context = command.make_context(command.name, words, parent=parent)
    if isinstance(command, click.Group):
        _, inner, rest = command.resolve_command(context, [*getattr(context, "_protected_args", ()), *context.args])
        parsed(inner, rest, context)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_can_be_typed(line):
    parsed(command_line, shlex.split(line))


def test_the_page_shows_most_commands():
    assert len(COMMANDS) > 20
