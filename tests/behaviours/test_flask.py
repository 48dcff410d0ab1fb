"""Flask: settings from its config, jobs inside of its app context, its commands."""

import importlib
import subprocess
import sys

import pytest
from flask import Flask

import mongojobs
from mongojobs import ExtraMissingError, Plugin, SettingsError, default_app, testing
from mongojobs.cli.shared.global_options import GlobalOptions
from mongojobs.cli.shared.opening import open_app
from mongojobs.flask import MongoJobs as Extension
from tests.support.command_here import logging_put_back, run_here
from tests.support.command_line import ROOT, clean_environ, run
from tests.support.flask_app import FailsForGood, create_app, jobs, pushed, where, where_async
from tests.support.sample_jobs import remember_one
from tests.support.working import work_off

MODULE = "tests.support.flask_app"
APP = f"{MODULE}:create_app"
IN_THE_APP = ["shop", False, "nothing"]


@pytest.fixture(autouse=True)
def _put_back():
    pushed.clear()
    yield
    mongojobs.configure()


@pytest.fixture
def shop(connection):
    return create_app()


class TestASetting:
    def test_comes_from_the_config_of_the_app(self):
        app = Flask("shop")
        app.config.update(MONGOJOBS_MAX_ATTEMPTS=7, SECRET_KEY="of another")

        Extension(app)

        assert app.extensions["mongojobs"].settings.max_attempts == 7
        assert default_app() is app.extensions["mongojobs"]

    def test_may_come_from_the_environment_of_flask(self, monkeypatch):
        monkeypatch.setenv("FLASK_MONGOJOBS_QUEUES", "mail,bulk")
        app = Flask("shop")
        app.config.from_prefixed_env()

        Extension(app)

        assert default_app().settings.queues == ("mail", "bulk")

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"MONGOJOBS_MAX_ATEMPTS": 7}, r"'MONGOJOBS_MAX_ATEMPTS'\]: unknown .* did you mean max_attempts"),
            ({"MONGOJOBS_THREADS": 0}, r"'MONGOJOBS_THREADS'\]: threads must be between 1 and 1000, got 0"),
            ({"MONGOJOBS": {"threads": 2}}, r"'MONGOJOBS'\] is not read: .* MONGOJOBS_MAX_ATTEMPTS = 5"),
        ],
    )
    def test_that_is_none_is_refused_by_name(self, config, message):
        app = Flask("shop")
        app.config.update(config)

        with pytest.raises(SettingsError, match=message):
            Extension(app)

    def test_of_an_earlier_app_of_the_factory_does_not_last(self):
        create_app(MONGOJOBS_MAX_ATTEMPTS=7)

        create_app()

        assert default_app().settings.max_attempts == 25


class TestAJob:
    @pytest.mark.parametrize("function", [where, where_async])
    def test_runs_in_the_app_context_and_in_no_request(self, shop, function):
        with shop.test_request_context():
            job = function.delay()

        work_off()

        assert job.result(timeout=0) == IN_THE_APP

    def test_runs_in_a_context_of_its_own_each(self, shop):
        first, second = where.delay_many([(), ()])

        work_off()

        assert [first.result(timeout=0), second.result(timeout=0)] == [IN_THE_APP] * 2

    def test_runs_in_one_context_however_often_the_factory_has_run(self, shop):
        jobs.init_app(shop)
        last = create_app("last")
        jobs.init_app(last)
        where.delay()

        work_off()

        assert pushed == ["last"]

    def test_has_its_last_hook_in_the_context_too(self, shop):
        mongojobs.enqueue(FailsForGood())

        work_off()

        assert pushed == ["shop", "failure in shop", "shop"]

    def test_that_runs_at_once_has_a_context_of_its_own(self, shop):
        with shop.app_context(), testing.mode("inline"):
            where.delay()

            assert pushed == ["shop"]

    def test_runs_in_the_context_in_a_process_of_its_own(self, shop, mongo_uri):
        job = where.delay()

        run("--app", f"{APP}()", "workoff", "--executor", "process", environ={"SAMPLE_URI": mongo_uri})

        assert job.result(timeout=0) == IN_THE_APP


class TestAnEnqueue:
    def test_in_a_request_is_to_the_app_of_the_request(self, shop, connection):
        create_app("other", MONGOJOBS_COLLECTION="other_jobs")

        shop.test_client().get("/buy")

        assert connection.get_default_database().delayed_jobs.count_documents({}) == 1

    def test_elsewhere_is_to_the_app_that_was_made_last(self, shop, connection):
        create_app("other", MONGOJOBS_COLLECTION="other_jobs")

        where.delay()

        assert connection.get_default_database().other_jobs.count_documents({}) == 1

    def test_in_an_app_without_the_extension_is_to_the_default_one(self, shop):
        with Flask("plain").app_context():
            job = remember_one.delay(1)

        assert default_app().get(job.id) is not None

    def test_in_a_test_stays_in_memory_whenever_the_app_is_made(self):
        with testing.mode("fake"):
            create_app().test_client().get("/buy")

            assert [job.name for job in testing.enqueued_jobs()] == ["tests.support.flask_app.where"]


class TestThePlugins:
    def test_of_the_extension_are_those_of_the_app(self):
        heard = []

        class Listening(Plugin):
            def register(self, lifecycle):
                lifecycle.before("enqueue", lambda job: heard.append(job.name))

        Extension(Flask("shop"), plugins=[Listening])
        with testing.mode("fake"):
            remember_one.delay(1)

        assert len(heard) == 1


@pytest.fixture
def named(monkeypatch):
    """Gives the module of the factory an app in a variable."""
    module = sys.modules[MODULE]
    return lambda app: monkeypatch.setattr(module, "named", app, raising=False)


class TestTheAppOfACommand:
    @pytest.mark.parametrize("spec", [APP, f"{APP}()"])
    def test_is_made_by_the_factory(self, monkeypatch, spec):
        monkeypatch.setattr(jobs, "init_app", lambda app: Extension(app) and pushed.append("made"))

        run_here("--app", spec, "config")

        assert pushed == ["made"]

    def test_is_the_one_that_is_named_though_another_is_made_later(self, named):
        named(create_app(MONGOJOBS_THREADS=3))
        create_app("other", MONGOJOBS_THREADS=5)

        run_here("--app", f"{MODULE}:named", "config")

        assert default_app().settings.threads == 3

    def test_is_the_one_that_is_named_though_a_module_of_jobs_makes_another(self, named, tmp_path, monkeypatch):
        named(create_app(MONGOJOBS_THREADS=3))
        making = f"from {MODULE} import create_app; create_app('other', MONGOJOBS_THREADS=5)"
        (tmp_path / "another_site.py").write_text(making)
        monkeypatch.syspath_prepend(tmp_path)

        run_here("--app", f"{MODULE}:named", "--import", "another_site", "config")

        assert default_app().settings.threads == 3

    def test_is_told_of_where_its_factory_was_meant(self, mongo_uri):
        worked = run("--app", MODULE, "workoff", environ={"MONGOJOBS_URI": mongo_uri})

        assert f"{MODULE} has a factory, which --app {MODULE} does not call: --app {APP} does" in worked.stdout

    def test_is_told_of_by_each_command_where_its_factory_could_have_made_the_connection(self):
        listed = run_here("--app", MODULE, "jobs", "list")

        assert "no MongoDB connection" in listed.stderr
        assert f"--app {MODULE} does not call: --app {APP} does" in listed.stderr

    def test_is_told_of_where_the_extension_is_missing(self, named):
        named(Flask("plain"))

        opened = open_app(GlobalOptions(app=f"{MODULE}:named", settings={}))

        assert "is a Flask app without mongojobs.flask.MongoJobs(app): jobs run outside" in opened.advice

    def test_is_told_of_nothing_where_all_is_well(self):
        assert open_app(GlobalOptions(app=APP, settings={})).advice is None

    def test_needs_a_factory_without_arguments(self):
        refused = run_here("--app", f"{MODULE}:create_from", "workoff")

        assert refused.exit_code == 3
        assert "needs arguments (missing a required argument: 'path')" in refused.stderr
        assert "write a function without arguments that calls it" in refused.stderr


class TestACommandOfFlask:
    def test_works_in_the_app_that_flask_has_loaded(self, shop):
        job = where.delay()

        with logging_put_back():
            worked = shop.test_cli_runner().invoke(args=["mongojobs", "jobs", "run", str(job.id)])

        assert (worked.exit_code, job.result(timeout=0)) == (0, IN_THE_APP)
        assert pushed == ["shop", "shop"]  # of the job, and of the command

    def test_has_its_help_and_its_options(self, shop):
        runner = shop.test_cli_runner()

        assert "create-indexes" in runner.invoke(args=["mongojobs", "--help"]).stdout
        assert runner.invoke(args=["mongojobs", "jobs", "list", "--queue", "mail"]).exit_code == 0

    def test_asks_for_the_app_that_a_platform_is_to_run(self, shop):
        runner = shop.test_cli_runner()

        refused = runner.invoke(args=["mongojobs", "init", "procfile"])
        written = runner.invoke(args=["mongojobs", "init", "procfile", "--app", "shop:create_app"])

        assert (refused.exit_code, written.exit_code) == (2, 0)
        assert "--app shop:create_app" in refused.output
        assert "mongojobs --app=shop:create_app work" in written.stdout

    def test_starts_processes_that_load_the_same_app(self, connection, mongo_uri):
        job = where.delay()

        subprocess.run(
            [sys.executable, "-m", "flask", "--app", APP, "mongojobs", "workoff", "--processes", "2"],
            cwd=ROOT,
            env=clean_environ({"SAMPLE_URI": mongo_uri}),
            check=True,
            timeout=60,
        )

        assert job.result(timeout=0) == IN_THE_APP


def test_without_flask_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "mongojobs.flask")
    monkeypatch.setitem(sys.modules, "flask", None)

    with pytest.raises(ExtraMissingError, match=r'mongojobs.flask needs .*: pip install "mongojobs\[flask\]"'):
        importlib.import_module("mongojobs.flask")
