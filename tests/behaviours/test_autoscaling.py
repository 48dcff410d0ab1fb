"""What HireFire is answered and Judoscale is told: how long jobs wait, by their own rules."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from a2wsgi import WSGIMiddleware
from judoscale.core.config import config
from judoscale.core.reporter import Reporter, reporter
from starlette.applications import Starlette
from starlette.routing import Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

import mongojobs
from mongojobs import ConfigurationError, job
from mongojobs.autoscaling.hirefire import hirefire_app
from mongojobs.autoscaling.judoscale import report_to_judoscale
from tests.support.asgi import ask
from tests.support.clock import HeldClock
from tests.support.command_line import ROOT

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
TOKEN = "t0k3n"


@job(queue="mail")
def send():
    """Do nothing."""


@pytest.fixture
def app(connection):
    """An app whose jobs wait: of mail for 90 s and 30 s, of reports for 2 s; more are paused or due later."""
    app = mongojobs.configure(clock=HeldClock(NOW))
    app.create_indexes()
    for queue, seconds in (("mail", 90), ("mail", 30), ("reports", 2), ("later", -60), ("paused", 600)):
        send.options(queue=queue, run_at=NOW - timedelta(seconds=seconds)).delay()
    app.pause("paused")
    yield app
    mongojobs.configure()


def site(hirefire):
    """Return a browser of a site that has it at /hirefire."""
    return Client(DispatcherMiddleware(lambda *_: pytest.fail("the site was asked"), {"/hirefire": hirefire}))


class TestHireFire:
    ALL = [{"name": "worker", "value": 90.0}]

    def test_is_answered_by_the_token_in_the_header(self, app):
        answer = site(hirefire_app(token=TOKEN)).get("/hirefire", headers={"HireFire-Token": TOKEN})

        assert (answer.status_code, answer.json, answer.content_type) == (200, self.ALL, "application/json")

    def test_is_answered_by_the_token_in_the_path(self, app, monkeypatch):
        monkeypatch.setenv("HIREFIRE_TOKEN", TOKEN)

        assert site(hirefire_app()).get(f"/hirefire/{TOKEN}/info").json == self.ALL

    @pytest.mark.parametrize(
        ("path", "token"),
        [("", "wrong"), ("", ""), ("/wrong/info", ""), ("/wrong/info", TOKEN), (f"/{TOKEN}", ""), ("/é/info", "")],
    )
    def test_is_all_that_is_answered(self, app, path, token):
        answer = site(hirefire_app(token=TOKEN)).get(f"/hirefire{path}", headers={"HireFire-Token": token})

        assert answer.status_code == 404

    @pytest.mark.parametrize("path", ["/hirefire", "/hirefire//info"])
    def test_is_not_answered_where_there_is_no_token(self, app, monkeypatch, path):
        monkeypatch.delenv("HIREFIRE_TOKEN", raising=False)

        assert site(hirefire_app()).get(path, headers={"HireFire-Token": ""}).status_code == 404

    def test_is_told_of_each_process_by_its_queues(self, app):
        workers = {"worker": [], "mailer": ["mail", "reports"], "reporter": ["reports"], "idle": ["later", "paused"]}

        values = hirefire_app(workers, token=TOKEN).values()

        assert values == {"worker": 90.0, "mailer": 90.0, "reporter": 2.0, "idle": 0.0}

    def test_is_told_how_many_jobs_wait_if_it_goes_by_that(self, app):
        workers = {"worker": [], "mailer": ["mail"], "idle": ["later", "paused"]}

        assert hirefire_app(workers, measure="size", token=TOKEN).values() == {"worker": 3, "mailer": 2, "idle": 0}

    def test_is_told_when_the_database_is_away(self, app, monkeypatch):
        def latency():
            raise mongojobs.StoreUnavailableError("no server")

        monkeypatch.setattr(app, "latency", latency)

        answer = site(hirefire_app(token=TOKEN)).get("/hirefire", headers={"HireFire-Token": TOKEN})

        assert (answer.status_code, answer.json) == (503, {"error": "no server"})

    async def answer_of_starlette(self, path):
        application = Starlette(routes=[Route("/hirefire{rest:path}", WSGIMiddleware(hirefire_app(token=TOKEN)))])
        return await ask(application, "GET", path)

    def test_is_answered_by_a_site_on_asgi(self, app):
        assert asyncio.run(self.answer_of_starlette(f"/hirefire/{TOKEN}/info")) == self.ALL

    def test_has_the_queues_of_a_generator_at_each_request(self, app):
        hirefire = hirefire_app({"worker": (queue for queue in ["nothing waits here"])}, token=TOKEN)

        assert [hirefire.values(), hirefire.values()] == [{"worker": 0}] * 2

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"workers": {"worker 1": []}}, "'worker 1' is no process of a Procfile"),
            ({"workers": {"worker": "mail"}}, "the queues of worker must be a list"),
            ({"workers": {"worker": 5}}, "the queues of worker must be a list"),
            ({"workers": {"worker": ["mail,sms"]}}, r"the queues of worker .* each must not .* contain a comma"),
            ({"workers": {}}, "workers must be such as"),
            ({"token": " "}, "set HIREFIRE_TOKEN"),
            ({"measure": "age"}, 'measure must be "latency" or "size"'),
        ],
    )
    def test_is_not_set_up_wrongly(self, wrong, told):
        with pytest.raises(ConfigurationError, match=told):
            hirefire_app(**wrong)


class TestJudoscale:
    @pytest.fixture(autouse=True)
    def _package(self, monkeypatch):
        """Let its package believe that the service is there, and start no thread."""
        adapters, collectors = [*reporter.adapters], [*reporter.collectors]
        monkeypatch.setitem(config.data, "API_BASE_URL", "http://127.0.0.1:1")
        monkeypatch.setattr(Reporter, "ensure_running", lambda _reporter: None)
        yield
        reporter.adapters[:], reporter.collectors[:] = adapters, collectors

    def told(self):
        """Return what the package would report, without the times."""
        return sorted(
            (queue, kind, value) for _time, value, kind, queue in (one.as_tuple for one in reporter.all_metrics)
        )

    def test_is_told_whole_milliseconds_of_each_queue(self, app):
        report_to_judoscale()

        assert self.told() == [
            ("default", "qt", 0),
            ("later", "qt", 0),
            ("mail", "qt", 90_000),
            ("paused", "qt", 0),
            ("reports", "qt", 2000),
        ]
        assert {type(value) for _queue, _kind, value in self.told()} == {int}

    def test_is_told_of_a_queue_that_has_become_empty(self, app):
        report_to_judoscale()
        self.told()
        app.store.collection.delete_many({"queue": "mail"})

        assert ("mail", "qt", 0) in self.told()

    def test_is_told_of_the_queues_that_were_named(self, app):
        report_to_judoscale(["reports", "rare"])

        assert self.told() == [("rare", "qt", 0), ("reports", "qt", 2000)]

    def test_is_told_once_however_often_it_is_asked_for(self, app):
        report_to_judoscale()
        report_to_judoscale()

        assert [one.identifier for one in reporter.adapters].count("judoscale-mongojobs") == 1

    def test_is_told_nothing_where_it_is_not(self, app, monkeypatch):
        monkeypatch.setitem(config.data, "API_BASE_URL", None)

        report_to_judoscale()

        assert reporter.collectors == []

    def test_refuses_what_are_no_queues(self):
        with pytest.raises(ConfigurationError, match="queues must be a list of names"):
            report_to_judoscale("mail")

    def test_needs_its_package(self):
        code = (
            "import sys; sys.modules['judoscale'] = None\n"
            "import mongojobs\n"
            "try:\n"
            "    import mongojobs.autoscaling.judoscale\n"
            "except mongojobs.ExtraMissingError as error:\n"
            "    print(error)\n"
        )

        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

        assert told.stdout == 'report_to_judoscale needs an optional package: pip install "mongojobs[judoscale]"\n'
