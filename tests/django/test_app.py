"""`mongojobs.django` in INSTALLED_APPS: settings, jobs, the state around a job, `manage.py mongojobs` and checks."""

import os
import subprocess
import sys

import pytest

import mongojobs
from mongojobs import ConfigurationError
from tests.support.command_line import ROOT, clean_environ
from tests.support.django_start import SETTINGS
from tests.support.working import work_off

MANAGE = ROOT / "tests" / "support" / "django_site" / "manage.py"


@pytest.fixture
def jobs(site):
    """The module `jobs` of the installed app, which nobody has imported but Django."""
    module = sys.modules["tests.support.django_site.shop.jobs"]
    module.seen.clear()
    return module


def configured_with(values):
    from django.test import override_settings

    from mongojobs.django.configuring import configure_from_settings

    with override_settings(MONGOJOBS=values):
        return configure_from_settings()


class Audit(mongojobs.Plugin):
    def register(self, lifecycle):
        pass


class TestTheSettings:
    def test_are_those_of_the_default_app(self, site):
        assert configured_with({"max_attempts": 7}).settings.max_attempts == 7

    def test_name_plugins_by_their_paths(self, site):
        assert [type(one) for one in configured_with({"plugins": [f"{__name__}.Audit"]}).plugins] == [Audit]

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"max_attemps": 5}, r"MONGOJOBS in Django's settings: unknown setting 'max_attemps'.* did you mean max"),
            ({"MAX_ATTEMPTS": 5}, "Write 'max_attempts': they are in small letters"),
            ({"max_attempts": "many"}, "MONGOJOBS in Django's settings: max_attempts"),
            ({"plugins": ["shop.Audit"]}, "plugins names 'shop.Audit', which cannot be imported"),
            (["max_attempts"], "MONGOJOBS must be a dict of settings"),
        ],
    )
    def test_are_refused_by_name_where_they_are_wrong(self, site, values, message):
        with pytest.raises(ConfigurationError, match=message):
            configured_with(values)


class TestAJob:
    def test_begins_with_the_language_and_zone_of_the_settings(self, site, jobs):
        from django.utils import translation

        jobs.look_around.delay("el")
        jobs.look_around.delay()

        with translation.override("fr"):
            work_off()

        assert jobs.seen == [("en", "Europe/Athens")] * 2

    def test_finds_no_queries_of_an_earlier_one(self, site, jobs):
        jobs.query.delay()
        jobs.query.delay()

        work_off()

        assert jobs.seen == [1, 1]

    def test_that_is_async_finds_none_either(self, site, jobs):
        jobs.query_async.delay()
        jobs.query_async.delay()

        work_off()

        assert jobs.seen == [1, 1]

    def test_leaves_no_connection_open(self, site, jobs, monkeypatch):
        from django.db.backends.sqlite3.base import DatabaseWrapper

        closed, close = [], DatabaseWrapper.close
        monkeypatch.setattr(DatabaseWrapper, "close", lambda self: closed.append(self) or close(self))
        jobs.leave_open.delay()

        work_off()

        assert closed == jobs.seen

    def test_leaves_the_language_of_the_request_it_runs_in(self, site, jobs):
        from django.utils import translation

        with translation.override("fr"):
            site.change(site.settings.changed(delay_jobs=False))
            jobs.look_around.delay()

            assert translation.get_language() == "fr"
            assert jobs.seen[0][0] == "fr"


class TestTheCommandLine:
    """Of a project, through `manage.py`, or with `-A mongojobs.django:setup`."""

    @pytest.fixture
    def environ(self, mongo_uri):
        return clean_environ({"SAMPLE_URI": mongo_uri})

    @pytest.mark.parametrize(
        "command",
        [
            [str(MANAGE), "mongojobs", "--pythonpath", str(ROOT), "workoff", "--executor", "process"],
            ["-m", "mongojobs", "-A", "mongojobs.django:setup", "workoff"],
        ],
        ids=["manage.py, with child processes", "mongojobs"],
    )
    def test_works_off_jobs(self, site, jobs, environ, tmp_path, command):
        tasks = sys.modules["tests.support.django_site.shop.tasks"]
        jobs.write_language.delay(str(tmp_path / "language"))
        result = tasks.write_path.enqueue(str(tmp_path / "path"))

        ran = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path if command[0] != "-m" else ROOT,
            env=environ | {"DJANGO_SETTINGS_MODULE": SETTINGS},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert (ran.returncode, (tmp_path / "language").read_text().split()[0]) == (0, "en"), ran.stderr
        result.refresh()
        assert result.return_value == len(str(tmp_path / "path"))

    def test_is_called_by_the_code_of_the_project(self, site, jobs, capsys):
        from django.core.management import call_command

        call_command("mongojobs", "jobs", "declared")

        assert "tests.support.django_site.shop.jobs.query" in capsys.readouterr().out

    def test_ends_with_the_status_of_the_command(self, site):
        from django.core.management import call_command

        with pytest.raises(SystemExit) as ended:
            call_command("mongojobs", "jobs", "shwo")

        assert ended.value.code == 2

    def test_explains_itself(self, site, capsys):
        from django.core.management import execute_from_command_line

        with pytest.raises(SystemExit):
            execute_from_command_line(["manage.py", "help", "mongojobs"])

        assert "Usage: manage.py mongojobs [OPTIONS] COMMAND" in capsys.readouterr().out

    def test_lets_other_processes_import_what_the_project_does(self, site, tmp_path, monkeypatch, capsys):
        from django.core.management import execute_from_command_line

        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", "elsewhere")

        with pytest.raises(SystemExit):
            execute_from_command_line([str(tmp_path / "manage.py"), "mongojobs", "version"])

        assert os.environ["PYTHONPATH"] == f"{tmp_path}{os.pathsep}elsewhere"

    def test_says_that_the_settings_are_not_named(self, monkeypatch):
        from django.conf import LazySettings

        from mongojobs.django import setup

        monkeypatch.setattr("django.conf.settings", LazySettings())
        monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)

        with pytest.raises(mongojobs.ConfigurationError, match="DJANGO_SETTINGS_MODULE is not set"):
            setup()

    def test_says_that_the_app_is_not_installed(self, site, monkeypatch):
        from django.apps import apps

        from mongojobs.django import setup

        monkeypatch.setattr(apps, "is_installed", lambda name: False)

        with pytest.raises(mongojobs.ConfigurationError, match="add it to INSTALLED_APPS"):
            setup()


def test_without_django_says_what_to_install(monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "django" else real(name))
    monkeypatch.delitem(sys.modules, "mongojobs.django", raising=False)

    with pytest.raises(mongojobs.ExtraMissingError, match=r"pip install 'mongojobs\[django\]'"):
        importlib.import_module("mongojobs.django")


@pytest.fixture
def in_tests(site):
    """Django's test environment, as ``manage.py test`` sets it up before its checks."""
    from django.test.utils import setup_test_environment, teardown_test_environment

    setup_test_environment()
    yield
    teardown_test_environment()


def ids_of(messages):
    return [message.id for message in messages]


class TestTheChecks:
    def found(self, **options):
        from django.core.checks import run_checks

        return [one for one in ids_of(run_checks(**options)) if one.startswith("mongojobs.")]

    def test_find_nothing_wrong(self, site):
        assert self.found(databases=["default"]) == []

    def test_tell_that_no_database_is_named(self, site, monkeypatch):
        monkeypatch.delenv("MONGODB_URI", raising=False)
        configured_with({"db_alias": "elsewhere"})

        assert self.found() == ["mongojobs.W001"]

    def test_tell_that_the_database_cannot_be_used(self, site):
        configured_with({"uri": "mongodb://localhost"})

        assert self.found() == ["mongojobs.E001"]

    def test_tell_that_no_jobs_are_declared(self, site, monkeypatch):
        monkeypatch.setattr("mongojobs.django.checks.declared_jobs", list)

        assert self.found() == ["mongojobs.W002"]

    def test_tell_of_missing_indexes_only_where_databases_are_checked(self, site):
        site.store.collection.drop_indexes()

        assert self.found() == []
        assert self.found(databases=["default"]) == ["mongojobs.W003"]

    def test_leave_the_database_alone_when_tests_begin(self, site, in_tests):
        configured_with({"uri": "mongodb://127.0.0.1:9/shop"})

        assert self.found(databases=["default"]) == []

    def test_tell_that_the_indexes_cannot_be_seen(self, site, silent_server, monkeypatch):
        monkeypatch.setattr("mongojobs.django.checks.LOOK_SECONDS", 0.1)
        configured_with({"uri": silent_server})

        assert self.found(databases=["default"]) == ["mongojobs.W004"]
