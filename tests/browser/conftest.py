"""A dashboard in a real browser, over an app of its own on a real server."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from pymongo import MongoClient

import mongojobs
from mongojobs import MongoJobs
from mongojobs.web import wsgi_app
from tests.support.browser import Tab, chromium, tab
from tests.support.dashboard import OPERATOR, served


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, shared by all tests; each opens a tab of its own, with nothing stored."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def app(connection: MongoClient) -> Iterator[MongoJobs]:
    """The default app, with its indexes."""
    app = mongojobs.configure(retry_jitter=0)
    app.create_indexes()
    yield app
    mongojobs.configure()


@pytest.fixture
def address(app: MongoJobs) -> Iterator[str]:
    """Where the dashboard of the app is served."""
    with served(wsgi_app(app=app, auth=lambda _request: OPERATOR)) as address:
        yield address


@pytest.fixture
def operator(browser: Browser, address: str) -> Iterator[Tab]:
    """A tab of somebody who may change something."""
    with tab(browser, address) as opened:
        yield opened


@pytest.fixture
def without_scripts(browser: Browser, address: str) -> Iterator[Tab]:
    """The same without JavaScript."""
    with tab(browser, address, java_script_enabled=False) as opened:
        yield opened
