"""Photographs the dashboard for the docs: ``scripts/screenshots`` runs this against a server of its own."""

import logging
import os

import mongoengine

from mongojobs.web import wsgi_app
from tests.support.browser import chromium, tab
from tests.support.command_line import ROOT
from tests.support.dashboard import OPERATOR, served
from tests.support.pictured import EVENING, PICTURES, WORDS_FILE, evening, shown_words

SIZE = {"width": 1280, "height": 640}


def main() -> None:
    """Write the pictures, and the words that are on them."""
    mongoengine.connect(host=os.environ["MONGODB_URI"], uuidRepresentation="standard")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with evening() as app, served(wsgi_app(app=app, auth=lambda _request: OPERATOR)) as address, chromium() as browser:
        for name, (path, scheme) in PICTURES.items():
            with tab(browser, address, color_scheme=scheme, timezone_id="UTC", viewport=SIZE) as opened:
                opened.page.clock.set_fixed_time(EVENING)
                opened.open(path)
                opened.page.screenshot(path=ROOT / "docs" / name, full_page=True)
        WORDS_FILE.write_text(shown_words(app), encoding="utf-8")


if __name__ == "__main__":
    main()
