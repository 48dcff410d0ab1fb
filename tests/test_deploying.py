"""docs/deploying.md is followed word by word: its commands are ours, and what it shows is what is printed."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.command_here import run_here

TEXT = (Path(__file__).parents[1] / "docs" / "deploying.md").read_text(encoding="utf-8")
LINES = [line.strip() for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
TYPED = [line.removeprefix("$ ") for line in LINES if line.startswith("$ ")]
INLINE = [text.replace("\n", " ") for text in re.findall(r"`(mongojobs [^`]+)`", TEXT)]
PLACEHOLDERS = {"mongojobs init PLATFORM": "mongojobs init procfile"}


def commands():
    """Return each command of ours in the page, without what the shell does with its output."""
    found = [PLACEHOLDERS.get(text, text) for text in [*TYPED, *INLINE]]
    words = [shlex.split(re.split(r" (?:\||>+) ", text)[0]) for text in found]
    return [one[one.index("mongojobs") :] for one in words if "mongojobs" in one]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_in_the_page_is_understood(words):
    assert run_here(*words[1:], "--help").exit_code == 0


def test_the_page_shows_what_init_prints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    answer = run_here("--app", "shop", "init", "procfile", "--threads", "4")

    assert f"$ mongojobs --app shop init procfile --threads 4\n{answer.output}```" in TEXT


def test_the_page_describes_each_platform():
    from mongojobs.cli.init import PLATFORMS

    assert [platform for platform in PLATFORMS if f"init {platform}" not in TEXT] == []


@pytest.mark.parametrize("link", re.findall(r"\]\(([\w.]+\.md)#([\w-]+)\)", TEXT), ids=" ".join)
def test_each_link_leads_to_a_heading(link):
    page, heading = link
    headings = re.findall(r"^#+ (.*)$", (Path(__file__).parents[1] / "docs" / page).read_text(), re.MULTILINE)

    assert heading in [text.lower().replace(" ", "-") for text in headings]
