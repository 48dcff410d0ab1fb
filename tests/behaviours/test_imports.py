"""How a worker learns of the jobs: the app, the modules imported with it, and what it says when there are none."""

import json
import sys

import pytest

import mongojobs
from mongojobs import ConfigurationError, SettingsError, Worker
from tests.support import sample_app
from tests.support.command_here import run_here
from tests.support.command_line import run

SITE = """
import os, mongoengine
mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")
"""

JOBS = """
from pathlib import Path
from mongojobs import job

@job(queue="mail", priority=3, max_run_time=90, retry_on=(OSError,))
def note(path, line):
    with Path(path).open("a") as file:
        file.write(line + "\\n")

@job(aliases=("old",))
class Letter:
    def perform(self):
        pass
"""

MODELS = """
from mongoengine import Document
from mongojobs import Delayable, handle_asynchronously

class Group(Delayable, Document):
    def greet(self):
        pass

class Plain(Document):
    @handle_asynchronously(queue="slow", priority=7)
    def grow(self):
        pass
"""


UNIQUE = """
from mongojobs import job

@job(unique=("shop", "number"), unique_for="1m")
def sync(shop, number, reason): ...
"""

MIXINS = """
from mongoengine import Document
from mongojobs import Delayable, handle_asynchronously, register

class Greeting:
    @handle_asynchronously
    def greet(self):
        pass

class One(Document):
    meta = {"abstract": True}

class Other(Document):
    meta = {"abstract": True}

class Both(Greeting, Delayable, One, Other):
    pass

@register
class Mailer(Greeting):
    @handle_asynchronously
    def send(self):
        pass
"""


@pytest.fixture
def project(tmp_path):
    """A folder with a site that declares no job, and its jobs and documents in modules that it does not import."""
    (tmp_path / "site_wsgi.py").write_text(SITE)
    (tmp_path / "shop_jobs.py").write_text(JOBS)
    (tmp_path / "shop_models.py").write_text(MODELS)
    return tmp_path


@pytest.fixture
def environ(mongo_uri):
    return {"SAMPLE_URI": mongo_uri}


@pytest.fixture
def enqueue(connection, project):
    """Enqueues the job that writes a line to a file, and returns the file."""
    ledger = project / "ledger"

    def enqueue():
        app = mongojobs.configure()
        made = sample_app.append.delay(str(ledger), "done")
        note = {"name": "shop_jobs.note", "handler.target": "shop_jobs.note"}
        app.store.collection.update_one({"_id": made.id}, {"$set": note})
        return ledger

    yield enqueue
    mongojobs.configure()


def write_settings(project, text):
    (project / "pyproject.toml").write_text(f"[tool.mongojobs]\n{text}\n")


WAYS = {
    "the flag": ("", ["-I", "shop_jobs"], {}),
    "the long flag with several": ("", ["--import", "shop_models,shop_jobs"], {}),
    "the environment": ("", [], {"MONGOJOBS_IMPORTS": "shop_models, shop_jobs"}),
    "the file": ('imports = ["shop_models", "shop_jobs"]', [], {}),
    "the file by its former key": ('import = "shop_jobs"', [], {}),
    "the file beside an app": ('app = "shop_models"\nimports = ["shop_jobs"]', [], {}),
}

PASSED_ON = ["the flag", "the environment", "the file"]
"""The ways that differ for the children of a worker."""

REASONS = {
    "no_such_module": (3, "cannot import no_such_module, which imports names: No module named"),
    "broken": (3, "cannot import broken: ZeroDivisionError"),
    "shop_jobs.py": (3, "imports takes the name of a module, not of a file: try shop_jobs"),
    "shop-jobs": (2, "imports takes names of modules, got 'shop-jobs'"),
}
COMMANDS = ["workoff", "doctor", "status", "config"]


class TestTheModulesToImport:
    @pytest.mark.parametrize(
        ("way", "executor"), [*((way, "thread") for way in WAYS), *((way, "process") for way in PASSED_ON)]
    )
    def test_are_named_in_any_way_for_a_worker_and_its_children(self, project, environ, enqueue, way, executor):
        settings, flags, variables = WAYS[way]
        ledger = enqueue()
        write_settings(project, settings)

        ended = run("workoff", "--app", "site_wsgi", *flags, "--executor", executor,
                    environ=environ | variables, cwd=project)  # fmt: skip

        assert ended.returncode == 0, ended.stderr
        assert ledger.read_text() == "done\n"

    def test_are_imported_for_a_job_that_is_enqueued_by_hand(self, project, environ):
        arguments = json.dumps([str(project / "ledger"), "done"])

        ended = run("enqueue", "-A", "site_wsgi", "-I", "shop_jobs", "shop_jobs.note", "--args", arguments,
                    environ=environ, cwd=project)  # fmt: skip

        assert ended.returncode == 0, ended.stderr

    def test_may_be_named_by_the_app_itself(self, project, environ, enqueue):
        ledger = enqueue()
        (project / "named.py").write_text(f"{SITE}\nimport mongojobs\nmongojobs.configure(imports=['shop_jobs'])\n")

        ended = run("workoff", "-A", "named", environ=environ, cwd=project)

        assert ended.returncode == 0, ended.stderr
        assert ledger.read_text() == "done\n"

    def test_reach_the_processes_of_a_supervisor(self, project, environ, enqueue):
        ledger = enqueue()

        ended = run("workoff", "-A", "site_wsgi", "-I", "shop_jobs", "--processes", "2", environ=environ, cwd=project)

        assert ended.returncode == 0, ended.stderr
        assert ledger.read_text() == "done\n"

    def test_need_no_app_beside_them(self, project, environ, enqueue):
        ledger = enqueue()

        ended = run("workoff", "-I", "shop_jobs", environ=environ | {"MONGOJOBS_URI": environ["SAMPLE_URI"]},
                    cwd=project)  # fmt: skip

        assert ended.returncode == 0, ended.stderr
        assert ledger.read_text() == "done\n"

    @pytest.mark.parametrize(
        ("command", "named"),
        [*(("work", named) for named in REASONS), *((command, "broken") for command in COMMANDS)],
    )
    def test_that_cannot_be_imported_are_reported_with_the_reason(self, project, environ, command, named):
        status, said = REASONS[named]
        (project / "broken.py").write_text("1 / 0\n")
        write_settings(project, f'imports = ["{named}"]')

        ended = run(command, "-A", "site_wsgi", environ=environ, cwd=project)

        assert (ended.returncode, said in ended.stderr) == (status, True), ended.stderr

    @pytest.mark.parametrize("value", [5, {"a": 1}, [None], ["a", ""], "a,,b"])
    def test_must_be_names(self, value):
        with pytest.raises(SettingsError, match="imports must"):
            mongojobs.Settings(imports=value)

    def test_are_imported_by_a_worker_that_is_made_in_python(self, connection, project, monkeypatch):
        (project / "made_in_python.py").write_text("")
        monkeypatch.syspath_prepend(project)

        Worker(imports=["made_in_python"])

        assert "made_in_python" in sys.modules

    def test_that_are_missing_stop_a_worker_that_is_made_in_python(self, connection):
        with pytest.raises(ConfigurationError, match="cannot import no_such_module, which imports names"):
            Worker(imports=["no_such_module"])


class TestAWorker:
    def test_says_at_its_start_how_many_jobs_are_declared(self, project, environ):
        ended = run("workoff", "-I", "shop_jobs,shop_models", "-A", "site_wsgi", environ=environ, cwd=project)

        assert "Declared: 3 jobs, and all methods of 1 document class" in ended.stdout

    @pytest.mark.parametrize("arguments", [("work",), ("workoff",), ("work", "--processes", "2")], ids=" ".join)
    def test_of_an_app_without_jobs_is_refused_with_what_to_do(self, project, environ, arguments):
        ended = run(*arguments, "-A", "site_wsgi", environ=environ, cwd=project)

        assert ended.returncode == 3
        assert "the app (site_wsgi) declares no jobs" in ended.stderr
        assert 'imports = ["shop.jobs"] in [tool.mongojobs]' in ended.stderr
        assert "--allow-none" in ended.stderr

    @pytest.mark.parametrize(
        ("flags", "variables"),
        [(["--allow-none"], {}), ([], {"MONGOJOBS_ALLOW_NONE": "1"}), (["--allow-none", "--processes", "2"], {})],
    )
    def test_of_an_app_without_jobs_works_if_that_is_meant(self, connection, project, environ, flags, variables):
        ended = run("workoff", "-A", "site_wsgi", *flags, environ=environ | variables, cwd=project)

        assert ended.returncode == 0, ended.stderr
        assert "Declared: 0 jobs" in ended.stdout

    def test_of_an_app_whose_documents_can_be_delayed_works(self, connection, project, environ):
        (project / "only_documents.py").write_text(SITE + MODELS.replace("class Plain", "class Unused"))

        ended = run("workoff", "-A", "only_documents", environ=environ, cwd=project)

        assert ended.returncode == 0, ended.stderr


class TestDeclaredJobs:
    def test_are_listed_with_module_queue_and_options(self, project, environ):
        ended = run("jobs", "declared", "-I", "shop_jobs,shop_models", environ=environ, cwd=project)

        rows = [line.split() for line in ended.stdout.splitlines()]
        assert rows == [
            ["NAME", "KIND", "MODULE", "QUEUE", "OPTIONS"],
            ["shop_jobs.Letter", "object", "shop_jobs", "default", "aliases=old"],
            ["shop_jobs.note", "function", "shop_jobs", "mail", "priority=3", "max_run_time=1m", "30s",
             "retry_on=OSError"],
            ["shop_models.Group", "document", "shop_models", "-", "-"],
            ["shop_models.Plain.grow", "method", "shop_models", "slow", "priority=7"],
        ]  # fmt: skip

    def test_of_mixins_and_registered_classes_are_listed_once(self, project, environ):
        (project / "mixins.py").write_text(MIXINS)

        ended = run("jobs", "declared", "-A", "site_wsgi", "-I", "mixins", environ=environ, cwd=project)

        names = [line.split()[0] for line in ended.stdout.splitlines()]
        assert names == ["NAME", "mixins.Both", "mixins.Greeting.greet", "mixins.Mailer.send"]

    def test_are_listed_for_programs(self, project, environ):
        ended = run("jobs", "declared", "-I", "shop_jobs", "--json", environ=environ, cwd=project)

        assert json.loads(ended.stdout)["jobs"][1] == {
            "name": "shop_jobs.note",
            "kind": "function",
            "module": "shop_jobs",
            "queue": "mail",
            "options": {"priority": 3, "max_run_time_seconds": 90.0, "retry_on": ["OSError"]},
        }

    def test_are_listed_with_what_makes_them_unique(self, project, environ):
        (project / "orders.py").write_text(UNIQUE)

        ended = run("jobs", "declared", "-I", "orders", "--json", environ=environ, cwd=project)

        (listed,) = json.loads(ended.stdout)["jobs"]
        assert listed["options"] == {"unique": ["shop", "number"], "unique_for_seconds": 60.0}

    def test_that_are_missing_are_reported_with_a_remedy(self, project, environ):
        ended = run("jobs", "declared", "-A", "site_wsgi", environ=environ, cwd=project)

        assert ended.returncode == 0
        assert "The app (site_wsgi) declares no jobs. Name the modules that declare them" in ended.stdout

    def test_need_an_app(self):
        assert run_here("jobs", "declared").exit_code == 2


class TestTheDoctor:
    def test_says_of_an_app_without_jobs_that_it_has_none(self, connection, project, environ):
        ended = run("doctor", "-A", "site_wsgi", environ=environ, cwd=project)

        assert ended.returncode == 1
        assert "Fault: the app (site_wsgi) declares no jobs" in ended.stdout
        assert "no app is named" not in ended.stdout

    def test_compares_the_jobs_with_an_app_that_has_documents_alone(self, project, environ, enqueue):
        enqueue()

        ended = run("doctor", "-A", "site_wsgi", "-I", "shop_models", environ=environ, cwd=project)

        assert "1 ready job of shop_jobs.note cannot be run by this code" in ended.stdout

    def test_says_that_no_app_is_named_where_none_is(self, connection, mongo_uri):
        ended = run("doctor", environ={"MONGOJOBS_URI": mongo_uri})

        assert "no app is named, so stored jobs were not compared with the code" in ended.stdout
