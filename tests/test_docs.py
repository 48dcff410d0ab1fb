"""The docs as a whole: every page is in the index, every error has its place. ``scripts/docs`` builds the site."""

import re
from itertools import pairwise

import pytest

import mongojobs
from tests.support.command_line import ROOT

DOCS = ROOT / "docs"
INDEX = (DOCS / "index.md").read_text(encoding="utf-8")
ERRORS = (DOCS / "errors.md").read_text(encoding="utf-8")
ENTRY = re.compile(r" *([-+*]|\d+[.)]) ")
PAGES = sorted(path.name for path in DOCS.glob("*.md") if path.name != "index.md")


def public_errors():
    """Return the names of what can be raised, and of the warning."""
    members = {name: getattr(mongojobs, name) for name in mongojobs.__all__}
    return {name for name, one in members.items() if isinstance(one, type) and issubclass(one, BaseException)}


def test_the_index_lists_every_page_once_and_says_what_is_in_it():
    listed = re.findall(r"^- \[[^\]]+\]\(([\w-]+\.md)\): \S", INDEX, re.MULTILINE)

    assert sorted(listed) == PAGES


@pytest.mark.parametrize("page", [*PAGES, "index.md", "../README.md", "../CHANGELOG.md"])
def test_no_line_within_a_sentence_is_taken_for_an_entry_of_a_list(page):
    text = re.sub(r"^```.*?^```", "", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    taken = [
        line
        for paragraph in text.split("\n\n")
        if not ENTRY.match(paragraph.lstrip("\n"))
        for before, line in pairwise(paragraph.splitlines())
        if ENTRY.match(line) and before and not before.endswith(":") and not ENTRY.match(before)
    ]

    assert taken == []


def test_every_error_has_a_heading_of_its_own_among_the_errors():
    headings = re.findall(r"^### (\w+)$", ERRORS, re.MULTILINE)

    assert sorted(headings) == sorted(public_errors())


def test_every_error_of_the_tree_says_its_cause_and_what_to_do():
    tree = ERRORS.partition("## Beside the tree")[0]
    entries = dict(re.findall(r"^### (\w+)\n\n((?:(?!#).*\n)*)", tree, re.MULTILINE))
    entries.pop("MongoJobsError")

    assert [name for name, text in entries.items() if not re.search(r"\*\*Cause:\*\* .+\n- \*\*Do:\*\* .+", text)] == []
