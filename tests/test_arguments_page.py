"""The example of docs/arguments.md does what stands there."""

import asyncio
import importlib
import re
import sys

import pytest

import mongojobs
from mongojobs.testing import drain, mode
from tests.support.command_line import ROOT
from tests.support.working import work_off

TEXT = (ROOT / "docs" / "arguments.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Imports a module of the page."""
    for name, text in EXAMPLES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module
    for name in EXAMPLES:
        sys.modules.pop(name, None)
    mongojobs.configure()


def test_the_example_is_true(load):
    parcels = load("parcels")

    with mode("fake"):
        parcels.example()

        assert drain() == (2, 0)


def test_an_object_is_loaded_by_its_key(load, capsys):
    shelves = load("shelves")

    with mode("fake"):
        shelves.lend.delay(shelves.shelf[7], "Ann")
        drain()

    assert capsys.readouterr().out == "Ann has 7\n"


def test_a_renamed_document_class_is_found_by_its_old_name(load, connection, capsys):
    app = mongojobs.configure()
    job = load("crm").Client(name="Ann").save().delay.greet()
    app.store.collection.update_one({"_id": job.id}, {"$set": {"handler.target.v.class": "shop.Customer"}})

    work_off()

    assert capsys.readouterr().out == "hello Ann\n"


def test_documents_of_beanie_are_loaded_in_the_worker(load, mongo_uri, monkeypatch, capsys):
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    club = load("club")

    async def site():
        await club.connect()
        await club.sign_up("Ann")

    asyncio.run(site())
    club.count.delay()
    work_off()

    mongojobs.default_app().close()
    assert sorted(capsys.readouterr().out.splitlines()) == ["1 members", "welcome, Ann"]
