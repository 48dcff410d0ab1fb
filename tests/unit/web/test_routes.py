"""A page is in the menu and in the docs, and leads to a view: all easily forgotten for a new one."""

from pathlib import Path

import pytest

from mongojobs.web import pages
from mongojobs.web.routes import MENU, ROUTES, VIEWS

DOCS = (Path(__file__).parents[3] / "docs" / "dashboard.md").read_text(encoding="utf-8")
PARTS = ("known", "static")
"""What pages load, and nobody looks at by itself."""


def modules_with_views() -> set[str]:
    return {view.__module__.rpartition(".")[2] for view in VIEWS.values()}


class TestPages:
    def test_are_all_in_the_menu(self):
        looked_at = {rule.endpoint for rule in ROUTES.iter_rules() if "GET" in rule.methods}

        assert looked_at - {*PARTS} <= {endpoint for endpoints in MENU.values() for endpoint in endpoints}

    def test_have_an_address_each(self):
        assert {path.stem for path in Path(pages.__path__[0]).glob("[!_]*.py")} == modules_with_views()

    @pytest.mark.parametrize("label", MENU)
    def test_of_the_menu_are_in_the_docs(self, label):
        assert f"\n| {label} |" in DOCS
