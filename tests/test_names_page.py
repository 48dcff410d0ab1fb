"""The examples of docs/names.md answer what the page says, and every public name has one."""

import doctest
import importlib
import re
import sys

import pytest

import mongojobs
from mongojobs.app.operations import Operating
from mongojobs.app.twins import Awaited
from mongojobs.schedules.handle import ScheduleHandle
from tests.support.command_line import ROOT

PAGE = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## (?P<module>mongojobs[\w.]*)[^\n]*\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"```python\n# shop\.py\n(?P<text>.*?)```", re.DOTALL)
EXAMPLE = re.compile(r"```pycon\n(?P<text>.*?)```", re.DOTALL)


NAMES = {
    (module["module"], name)
    for module in SECTION.finditer(PAGE)
    for heading in re.findall(r"^### (.+)", module["text"], re.MULTILINE)
    for name in re.findall(r"`(\w+)`", heading)
}
SHOWN = "".join(example["text"] for example in EXAMPLE.finditer(PAGE)) + MODULE.search(PAGE)["text"]
OF_JOBS = "log set_progress step each transaction in_transaction cancelling scheduled_for schedule has_failed is_locked"


@pytest.fixture
def shop(connection, tmp_path, monkeypatch):
    """The module of the page, with the default app connected, and without plugins and settings afterwards."""
    (tmp_path / "shop.py").write_text(MODULE.search(PAGE)["text"])
    monkeypatch.syspath_prepend(str(tmp_path))
    mongojobs.configure().create_indexes()
    yield
    mongojobs.configure()
    sys.modules.pop("shop", None)


@pytest.mark.usefixtures("shop")
def test_each_example_answers_what_the_page_says():
    """All in one, as they go on from one another."""
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    known: dict[str, object] = {"__name__": "names"}
    for example in EXAMPLE.finditer(PAGE):
        line = PAGE.count("\n", 0, example.start("text"))
        test = doctest.DocTestParser().get_doctest(example["text"], known, "docs/names.md", "docs/names.md", line)
        for one in test.examples:
            one.exc_msg = one.exc_msg and one.exc_msg.rstrip("\n") + "...\n"  # a message may say more
        runner.run(test, out=told.append, clear_globs=False)
        known = test.globs

    assert "".join(told) == ""


@pytest.mark.parametrize("module", ["mongojobs", "mongojobs.testing", "mongojobs.web"])
def test_every_public_name_has_a_heading_of_its_own_with_an_example(module):
    listed = sorted(name for home, name in NAMES if home == module)

    assert listed == sorted(importlib.import_module(module).__all__)


def test_every_name_in_a_heading_is_in_an_example():
    assert [name for _, name in NAMES if not re.search(rf"\b{name}\b", SHOWN)] == []


@pytest.mark.parametrize(
    "names",
    [
        [name[1:] for name in vars(Awaited) if name.startswith("a") and hasattr(Operating, name[1:])],
        [name for name in vars(ScheduleHandle) if not name.startswith("_") and hasattr(ScheduleHandle, f"a{name}")],
        ["wait", "result", "aresult", "refresh", *OF_JOBS.split()],
    ],
    ids=["app", "schedule", "job"],
)
def test_what_is_looked_up_of_a_class_is_in_an_example(names):
    assert names
    assert [name for name in names if not re.search(rf"\.{name}\b", SHOWN)] == []
