"""The examples of docs/fastapi.md do what stands there."""

import asyncio

import pytest

import mongojobs
from tests.support.asgi import ask
from tests.support.pages import examples_of


@pytest.fixture
def page(tmp_path, monkeypatch, connection, mongo_uri):
    """Imports a module of the page."""
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    mongojobs.configure()
    with examples_of("fastapi.md", tmp_path) as load:
        yield load
    mongojobs.configure()


def test_a_request_enqueues_a_job(page):
    app = page("shop_api").app

    answer = asyncio.run(ask(app, "POST", "/orders/7/paid"))

    assert [str(job.id) for job in mongojobs.default_app().find()] == [answer["job"]]


def test_each_twin_of_the_example_stores_its_job(page):
    app = page("shop_api").app

    assert asyncio.run(ask(app, "POST", "/news")) == 5


def test_a_worker_runs_in_the_site_during_development(page, monkeypatch):
    monkeypatch.setenv("DEVELOPMENT", "yes")
    shop = page("shop_api")

    async def buy():
        async with shop.app.router.lifespan_context(shop.app):
            job = await shop.send_receipt.options(keep_result="1h").adelay(7)
            return await asyncio.to_thread(job.wait, 20)

    assert asyncio.run(buy()).state == "completed"
