"""The pages for maintainers name what is there: files, packages, and all numbers that tests cite."""

import inspect
import re
from pathlib import Path

import pytest

from mongojobs.core import transitions
from mongojobs.core.actions import ACTIONS
from tests.behaviours.test_every_number_is_covered import EXPECTED, WITHOUT_COUNTERPART
from tests.support.command_line import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
MAP = (ROOT / "docs" / "maintaining.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "mongojobs"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
A_PATH = re.compile(rf"(?<![\w/])(?:mongojobs/)?((?:{'|'.join(ROOMS)})/[\w/.]*\w)")
A_TEST = re.compile(r"`(tests/[\w/.]+)")
TRANSITIONS = re.findall(r"``(\w+)``$", inspect.getdoc(transitions) or "", re.MULTILINE)
CITED = re.compile(r"\b[IR]\d+\b")


def paths_in(page: Path) -> set[str]:
    """Return the files and folders of the package that *page* names; NAME stands for a new one."""
    return {path for path in A_PATH.findall(page.read_text(encoding="utf-8")) if "NAME" not in path}


def is_there(path: str) -> bool:
    return (PACKAGE / path).exists() or (PACKAGE / f"{path}.py").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestAPage:
    def test_names_files_of_the_package_that_are_there(self, page):
        assert [path for path in sorted(paths_in(page)) if not is_there(path)] == []

    def test_names_tests_that_are_there(self, page):
        tests = A_TEST.findall(page.read_text(encoding="utf-8"))

        assert [path for path in tests if not (ROOT / path).exists()] == []


class TestTheMap:
    @pytest.mark.parametrize("room", ROOMS)
    def test_draws_every_room(self, room):
        picture = MAP.split("```")[1]

        assert re.search(rf"\b{room}\b", picture)

    @pytest.mark.parametrize("name", [*TRANSITIONS, *sorted({*ACTIONS} - {"delete"})])
    def test_draws_every_step_in_the_life_of_a_job(self, name):
        assert re.search(rf"^    \S+ --> .*\b{name}\b", MAP, re.MULTILINE)

    def test_explains_every_number_of_a_behaviour(self):
        explained = set(re.findall(r"^\| ([SX]\d+)", MAP, re.MULTILINE))

        assert explained == EXPECTED | {f"S{number}" for number in WITHOUT_COUNTERPART}

    def test_explains_every_number_of_a_promise_that_a_test_cites(self):
        explained = set(re.findall(r"^\| ([IR]\d+) ", MAP, re.MULTILINE))
        cited = {number for file in (ROOT / "tests").rglob("*.py") for number in CITED.findall(file.read_text("utf-8"))}

        assert sorted(cited - explained) == []
