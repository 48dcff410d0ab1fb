"""Anyone who can write to the jobs collection can get only declared jobs run (S1, S2, S3).

A worker is audited while it works off hundreds of planted documents.
"""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mongojobs
from mongojobs.core.job import Job
from mongojobs.store.documents import to_document
from tests.support import hostile_payloads
from tests.support.command_line import ROOT, clean_environ
from tests.support.hostile_payloads import OWNED, VALUES, a_handler, must_fail
from tests.support.jobs import a_job
from tests.support.sample_documents import Band

HONEST = a_handler()
DANGEROUS = re.compile(
    r"\b(?:import (?:pickle|cloudpickle|dill|shelve|marshal|jsonpickle|yaml)|(?<!\.)(?:eval|exec|compile|__import__)\()"
)


def planted(app, handler, **changes) -> Job:
    """Return the job that stands in the store with *handler*, as no enqueue would store it."""
    job = a_job(run_at=app.store.clock.now(), **changes)
    app.store.collection.insert_one({**to_document(job), "handler": handler})
    return job


def run(*arguments, **environ):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=clean_environ(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def work_in_threads(uri, report):
    ended = run("tests.support.audited_worker", SAMPLE_URI=uri, WARM_UP="1")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def work_in_children(uri, report):
    report.touch()
    command = ("mongojobs", "-A", "tests.support.audited_app", "workoff", "--executor", "process", "--read-ahead", "20")
    ended = run(*command, SAMPLE_URI=uri, AUDIT_REPORT=str(report), MONGOJOBS_UNDECLARED_FOR="0")
    assert ended.returncode == 0, ended.stderr
    assert "CRASHED" not in ended.stdout
    return json.loads(report.read_text())


@pytest.fixture(params=[work_in_threads, work_in_children], ids=["threads", "children"])
def work(mongo_uri, tmp_path, request):
    """Lets an audited worker work off what is there, and returns what it reports."""

    def work():
        report = request.param(mongo_uri, tmp_path / "report")
        assert not OWNED.exists()
        return report

    return work


def fates(app):
    return {job.id: (job.state, (job.last_error or "").partition(":")[0]) for job in app.reader.find(limit=10_000)}


class TestAPlantedHandler:
    def test_makes_the_worker_do_nothing_and_fails_for_good(self, app, work):
        honest = [planted(app, HONEST, id=f"first{number}", id_given=True) for number in range(3)]
        band = Band(name="Y").save()
        app.store.collection.database["secrets"].insert_one(band.to_mongo())
        handlers = list(must_fail(band))
        hostile = [planted(app, handler) for handler in handlers]
        honest += [planted(app, HONEST, id=f"last{number}", id_given=True) for number in range(3)]

        report = work()

        assert report == {"seen": [], "imported": []}
        fate = fates(app)
        errors = {
            *("DamagedPayloadError", "UnknownJobError", "UndeclaredError", "DeserializationError"),
            *("DocumentGoneError", "damaged"),
        }
        wrong = [
            (job.id, fate.get(job.id), repr(handler)[:200])
            for job, handler in zip(hostile, handlers, strict=True)
            if fate.get(job.id, ("gone",))[0] != "failed" or fate[job.id][1] not in errors
        ]
        assert wrong == []
        assert Band.objects.get(pk=band.pk).name == "Y"
        assert {fate[job.id][0] for job in honest} == {"completed"}


class TestAPlantedValue:
    def test_that_another_serialiser_would_act_upon_is_a_plain_value(self, app, work):
        storable = [value for value in VALUES if not isinstance(value, dict) or "__mj" not in value]
        jobs = [
            planted(
                app,
                a_handler(target="tests.support.sample_jobs.remember_one", args=[value]),
                id=f"{number}",
                id_given=True,
            )
            for number, value in enumerate(storable)
        ]

        report = work()

        assert report["seen"] == []
        fate = fates(app)
        assert {fate[job.id][0] for job in jobs} == {"completed"}


class TestAPlantedField:
    """Fields other than the handler: names and labels are shown, and never acted upon."""

    @pytest.mark.parametrize("work", [work_in_threads], indirect=True, ids=["threads"])
    @pytest.mark.parametrize(
        "field", ["name", "queue", "locked_by", "last_error", "lock_token", "tags", "errors", "meta"]
    )
    def test_is_nothing_to_act_upon(self, app, work, field):
        for value in VALUES:
            document = to_document(a_job(run_at=app.store.clock.now(), handler=HONEST))
            app.store.collection.insert_one({**document, field: value})

        report = work()

        assert report["seen"] == []
        assert app.store.collection.count_documents({"state": {"$in": ["ready", "running"]}}) == 0


class TestTheAudit:
    def test_sees_the_gadgets_when_somebody_does_act_upon_them(self):
        code = (
            "import sys, pickle, tests.support.audited_worker as audited, tests.support.hostile_payloads as hostile\n"
            "watch = audited.Watch(); sys.addaudithook(watch)\n"
            "for act in (lambda: pickle.loads(hostile.PICKLES[2]), lambda: eval('1'), lambda: __import__('this'),\n"
            "            lambda: hostile.os.system('true'), lambda: open('/etc/passwd')):\n"
            "    try: act()\n"
            "    except Exception: pass\n"
            "print(*(one.split()[0] for one in watch.seen))\n"
        )
        environ = {"SAMPLE_URI": "mongodb://127.0.0.1:1/x"}
        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=clean_environ(environ),
            capture_output=True,
            text=True,
            check=True,
        )

        assert ended.stdout.split() == ["pickle.find_class", "compile", "import", "os.system", "open"]

    def test_is_of_gadgets_that_work(self, tmp_path, monkeypatch):
        monkeypatch.setattr(hostile_payloads, "COMMAND", f"touch {tmp_path / 'owned'}")

        pickle.loads(pickle.dumps(hostile_payloads._Gadget()))

        assert (tmp_path / "owned").exists()


class TestThePackage:
    @pytest.mark.parametrize("path", sorted(Path(mongojobs.__file__).parent.rglob("*.py")), ids=os.path.basename)
    def test_has_no_word_of_what_runs_data(self, path):
        assert DANGEROUS.findall(path.read_text(encoding="utf-8")) == []
