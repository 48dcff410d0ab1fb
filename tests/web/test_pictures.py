"""The pictures of the dashboard in the docs show the words that it has now, and are small."""

import pytest

from tests.support.command_line import ROOT
from tests.support.pictured import PICTURES, WORDS_FILE, evening, shown_words

TAKE_THEM = (
    "the dashboard has changed since its pictures were taken: run scripts/screenshots, look at them, and commit them"
)


@pytest.mark.usefixtures("connection")
def test_the_pictures_show_the_words_that_the_dashboard_has():
    with evening() as app:
        shown = shown_words(app)

    assert shown == WORDS_FILE.read_text(encoding="utf-8"), TAKE_THEM


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_small_and_shown(name):
    page = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")

    assert f"({name})" in page
    assert (ROOT / "docs" / name).stat().st_size < 200_000
