"""The example of docs/arguments.md does what stands there."""

import asyncio

import pytest

import mongojobs
import mongojobs.beanie
from mongojobs.testing import drain, mode
from tests.support.pages import examples_of
from tests.support.working import work_off


@pytest.fixture
def load(tmp_path):
    """Imports a module of the page."""
    with examples_of("arguments.md", tmp_path) as load:
        yield load
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
    monkeypatch.setattr(mongojobs.beanie, "_declared", [])
    club = load("club")

    async def site():
        await club.connect()
        await club.sign_up("Ann")

    asyncio.run(site())
    club.count.delay()
    work_off()

    mongojobs.default_app().close()
    assert sorted(capsys.readouterr().out.splitlines()) == ["1 members", "welcome, Ann"]
