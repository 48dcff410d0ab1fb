"""A dashboard in a real browser, over an app on a real server, whose database a module's tests share."""

from collections.abc import Iterator
from uuid import uuid4

import mongoengine
import pytest
from playwright.sync_api import Browser
from pymongo import MongoClient

import mongojobs
from mongojobs import MongoJobs
from mongojobs.web import wsgi_app
from tests.support.browser import HURRY, Tab, chromium, empty_tab, tab
from tests.support.dashboard import OPERATOR, served
from tests.support.mongod import Server, with_database


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; each test opens its own tab, with nothing stored.

    Not for the whole session: while it runs there is an event loop in this thread, and so other tests cannot have one.
    """
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def mongo_uri(mongod: Server, administrator: MongoClient) -> Iterator[str]:
    """The URI of a database with all indexes, to which MongoEngine is connected."""
    database = f"mongojobs_test_{uuid4().hex[:12]}"
    uri = with_database(mongod.uri, database)
    mongoengine.connect(host=uri, uuidRepresentation="standard")
    mongojobs.configure().create_indexes()
    yield uri
    mongoengine.disconnect_all()
    administrator.drop_database(database)


@pytest.fixture
def app(mongo_uri: str, administrator: MongoClient) -> Iterator[MongoJobs]:
    """The default app, without jobs."""
    database = administrator[mongo_uri.rpartition("/")[2].partition("?")[0]]
    for name in database.list_collection_names():
        database[name].delete_many({})
    app = mongojobs.configure(retry_jitter=0)
    app.create_indexes()
    yield app
    mongojobs.configure()


@pytest.fixture
def address(app: MongoJobs) -> Iterator[str]:
    """Where the dashboard of the app is served."""
    with served(wsgi_app(app=app, auth=lambda _request: OPERATOR)) as address:
        yield address


@pytest.fixture(scope="module")
def scripted(browser: Browser) -> Iterator[Tab]:
    """The tab of those who only click and type in it."""
    with empty_tab(browser) as opened:
        yield opened


@pytest.fixture(scope="module")
def unscripted(browser: Browser) -> Iterator[Tab]:
    """The same without JavaScript."""
    with empty_tab(browser, java_script_enabled=False) as opened:
        yield opened


@pytest.fixture
def operator(scripted: Tab, address: str) -> Iterator[Tab]:
    """A tab of a visitor who may make changes."""
    with scripted.at(address):
        yield scripted


@pytest.fixture
def hurried(browser: Browser, address: str) -> Iterator[Tab]:
    """A tab of the same visitor, whose pages look for updates ten times a second."""
    with tab(browser, address) as opened:
        opened.page.add_init_script(HURRY)
        yield opened


@pytest.fixture
def without_scripts(unscripted: Tab, address: str) -> Iterator[Tab]:
    """A tab of the same visitor without JavaScript."""
    with unscripted.at(address):
        yield unscripted
