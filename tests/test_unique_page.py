"""The example of docs/unique.md does what stands there."""

import pytest

import mongojobs
from mongojobs.unique.terms import NAMES
from tests.support.command_line import ROOT
from tests.support.pages import examples_of

TEXT = (ROOT / "docs" / "unique.md").read_text(encoding="utf-8")


@pytest.fixture
def shop_jobs(tmp_path, connection, indexes):
    mongojobs.configure()
    with examples_of("unique.md", tmp_path) as load:
        yield load("shop_jobs")
    mongojobs.configure()


def test_the_example_is_true(shop_jobs):
    shop_jobs.example()


def test_the_other_jobs_of_the_example_can_be_enqueued(shop_jobs):
    twice = [
        call.duplicate
        for call in (
            shop_jobs.rebuild.delay("a"),
            shop_jobs.rebuild.delay("a"),
            shop_jobs.remind.delay(1),
            shop_jobs.remind.delay(1),
            shop_jobs.reindex.delay(1, "x"),
            shop_jobs.reindex.delay(1, "y"),
        )
    ]

    assert twice == [False, True] * 3


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained(name):
    assert f"`{name}=" in TEXT or f", `{name}=" in TEXT
