"""Sites on ASGI: their connection opens and closes with them, and a worker may run in their process."""

import asyncio
import threading
from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from mongojobs import ConfigurationError, ConnectionMissingError, MongoJobs, Settings, SettingsError
from mongojobs.asgi import lifespan, worker
from mongojobs.core.notices import Warned
from tests.support.sample_jobs import remember_one


@pytest.fixture
def shop(mongo_uri):
    """An app that opens its connection by itself."""
    shop = MongoJobs(Settings(uri=mongo_uri))
    yield shop
    shop.close()


async def through(around, body=lambda: None):
    """Do in *around* what *body* says, in a thread, as endpoints do that are no coroutines."""
    async with around:
        return await asyncio.to_thread(body)


def names_of_threads():
    return {thread.name for thread in threading.enumerate()}


class TestTheLifeOfASite:
    def test_opens_the_connection_before_the_first_request(self, shop):
        nodes = asyncio.run(through(lifespan(app=shop), lambda: shop.link.client.nodes))

        assert nodes

    def test_closes_it_in_the_end(self, shop):
        client = asyncio.run(through(lifespan(app=shop), lambda: shop.link.client))

        with pytest.raises(Exception, match="after close"):
            client.server_info()

    def test_may_begin_again(self, shop):
        asyncio.run(through(lifespan(app=shop)))

        asyncio.run(through(lifespan(app=shop), shop.find))

    def test_leaves_the_connection_of_mongoengine_alone(self, app, connection):
        site = FastAPI(lifespan=lifespan)

        asyncio.run(through(site.router.lifespan_context(site)))

        assert connection.server_info()

    def test_begins_without_the_database_and_tells_so(self, monkeypatch):
        monkeypatch.setattr("mongojobs.asgi.SHORT_PATIENCE", timedelta(milliseconds=10))
        away, told = MongoJobs(Settings(uri="mongodb://127.0.0.1:9/shop")), []
        away.lifecycle.on_notice(told.append, Warned)

        asyncio.run(through(lifespan(app=away)))

        assert [notice.message[:54] for notice in told] == ["the site starts without the database of its jobs: the "]

    def test_does_not_begin_where_nobody_said_where_the_database_is(self):
        with pytest.raises(ConnectionMissingError):
            asyncio.run(through(lifespan(app=MongoJobs(Settings()))))


class TestAWorkerInTheSite:
    def test_runs_its_jobs_and_ends_with_it(self, app):

        def enqueue():
            return remember_one.options(keep_result="1h").delay(1).wait(timeout=20)

        job = asyncio.run(through(worker(FastAPI(debug=True), queues="default"), enqueue))

        assert job.state == "completed"
        assert "mongojobs-worker" not in names_of_threads()

    def test_is_a_lifespan_as_it_stands(self, app):
        with TestClient(FastAPI(debug=True, lifespan=worker)):
            running = names_of_threads()

        assert "mongojobs-worker" in running

    @pytest.mark.parametrize("site", [None, FastAPI()])
    def test_is_refused_in_production(self, app, site):
        with pytest.raises(ConfigurationError, match=r"is for development, .* start `mongojobs work` beside the site"):
            asyncio.run(through(worker(site)))

    def test_runs_in_production_where_it_is_asked_for(self, app):
        running = asyncio.run(through(worker(FastAPI(), in_production=True), names_of_threads))

        assert "mongojobs-worker" in running

    def test_has_settings_that_are_checked_when_the_site_starts(self, app):
        with pytest.raises(SettingsError, match="threads must be"):
            asyncio.run(through(worker(in_production=True, threads=0)))
