"""The examples of docs/fastapi.md do what stands there."""

import asyncio
import importlib
import re
import sys

import pytest

import mongojobs
from tests.support.asgi import ask
from tests.support.command_line import ROOT

TEXT = (ROOT / "docs" / "fastapi.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture
def page(tmp_path, monkeypatch, connection, mongo_uri):
    """Imports a module of the page."""
    [(tmp_path / f"{name}.py").write_text(text) for name, text in FILES.items()]
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    mongojobs.configure()
    yield importlib.import_module
    [sys.modules.pop(name, None) for name in FILES]
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
