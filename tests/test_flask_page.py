"""The examples of docs/flask.md do what stands there."""

import flask_login
import pytest

import mongojobs
from tests.support.pages import examples_of
from tests.support.working import work_off


@pytest.fixture
def page(tmp_path, monkeypatch, connection, mongo_uri):
    """Imports a module of the page."""
    monkeypatch.setenv("FLASK_MONGODB_URI", mongo_uri)
    with examples_of("flask.md", tmp_path) as load:
        yield load
    mongojobs.configure()


def test_a_request_enqueues_a_job_that_runs_in_the_app(page, connection):
    app = page("shop").create_app()

    answer = app.test_client().post("/orders/7/paid")
    work_off()

    jobs = app.extensions["mongojobs"]
    assert str(jobs.find()[0].id) == answer.json["job"]
    assert jobs.find()[0].result(timeout=0) == "The Shop thanks for 7"
    assert jobs.settings.max_attempts == 5


def test_the_dashboard_leads_strangers_to_the_login(page):
    app = page("shop").create_app()
    app.add_url_rule("/login", "login", lambda: "who are you?")
    logins = flask_login.LoginManager(app)
    logins.login_view, app.secret_key = "login", "secret"
    logins.user_loader(lambda _name: None)

    answer = page("site_with_dashboard").with_dashboard(app).test_client().get("/jobs/")

    assert (answer.status_code, answer.location) == (302, "/login?next=%2Fjobs%2F")
