"""The examples: their own tests pass, and they can be begun with as they stand. ``browser`` has them in use."""

import subprocess
import sys
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from tests.support.command_line import ROOT, clean_environ

EXAMPLES = ROOT / "docs" / "examples"
NAMES = ["django", "fastapi", "flask"]
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
COMMANDS = {"django": ("-W", "error", "manage.py", "test"), "fastapi": PYTEST, "flask": PYTEST}


@pytest.mark.parametrize("name", NAMES)
def test_passes_its_own_tests(name, mongo_uri):
    environ = clean_environ({"MONGODB_URI": mongo_uri, "TEST_MONGODB_URI": mongo_uri})

    ended = subprocess.run(
        [sys.executable, *COMMANDS[name]], cwd=EXAMPLES / name, env=environ, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", NAMES)
def test_is_tested_with_all_that_it_requires(name):
    required = [Requirement(line) for line in (EXAMPLES / name / "requirements.txt").read_text().splitlines()]

    needed = [one for one in required if one.marker is None or one.marker.evaluate()]

    assert [one.name for one in needed if not version(one.name)] == []


def test_all_look_the_same():
    assert len({(EXAMPLES / name / "shop/static/shop.css").read_text() for name in NAMES}) == 1


def test_a_command_without_a_name_says_which_there_are():
    ended = subprocess.run([sys.executable, EXAMPLES / "start.py"], capture_output=True, text=True, check=False)

    assert (ended.returncode, "{django,fastapi,flask}" in ended.stderr) == (2, True)
