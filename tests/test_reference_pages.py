"""The tables of docs/commands.md and docs/settings.md have what there is, and nothing else."""

import dataclasses
import re
from datetime import timedelta

from mongojobs.cli.main import COMMANDS
from mongojobs.core.settings import Settings, explanation
from mongojobs.core.words.durations import format_duration
from tests.support.command_line import ROOT

SETTINGS = re.compile(r"(?<=tests/test_reference_pages.py -->\n).*?(?=<!-- end of settings)", re.DOTALL)


def settings_table():
    """The settings as a table in Markdown."""
    rows = [
        f"| `{field.name}` | {shown(field.metadata['default'])} | {explanation(field.name)} |"
        for field in dataclasses.fields(Settings)
    ]
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *rows]) + "\n"


def shown(default):
    value = format_duration(default) if isinstance(default, timedelta) else default
    return "" if value in (None, (), {}, "") else f"`{str(value).lower()}`"


def test_the_table_of_settings_is_up_to_date():
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert SETTINGS.search(page)[0] == settings_table()


def test_the_table_of_commands_has_each_command_and_no_other():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`mongojobs [^|]*)\|", page, re.MULTILINE)
    first_words = {name for cell in cells for name in re.findall(r"`mongojobs ([a-z-]+)", cell)}
    further = {name for cell in cells for name in re.findall(r"`([a-z-]+)", cell)}

    assert first_words <= set(COMMANDS)
    assert set(COMMANDS) <= first_words | further
