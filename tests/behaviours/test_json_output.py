"""What `--json` prints, held to the schemas that programs may rely on: no more and no fewer keys."""

import json

import jsonschema
import pytest

import mongojobs
from mongojobs.cli.main import COMMANDS
from mongojobs.cli.main import mongojobs as command_line
from tests.support.command_here import run_here
from tests.support.command_line import ROOT, SAMPLE_APP
from tests.support.logging_jobs import logs
from tests.support.sample_app import always_fails, append
from tests.support.waiting import eventually
from tests.support.working import work_off, working

SCHEMAS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "tests" / "schemas").iterdir()}
SAMPLES = [
    ("jobs", "list"),
    ("jobs", "list", "--state", "failed", "--limit", "1"),
    ("jobs", "show", "ID"),
    ("jobs", "why", "ID"),
    ("jobs", "result", "7"),
    ("jobs", "log", "8"),
    ("jobs", "declared"),
    ("queues", "list"),
    ("schedules", "list"),
    ("schedules", "show", "reports"),
    ("schedules", "next", "*/30 3 * * *", "--tz", "Europe/Athens"),
    ("latency",),
    ("latency", "mail"),
    ("workers", "list"),
    ("workers", "show", "ada"),
    ("explain",),
    ("enqueue", "tests.support.sample_app.append", "--args", '["x", "y"]', "--in", "60"),
    ("top", "--once"),
    ("status",),
    ("check",),
    ("check", "--schedules"),
    ("config",),
    ("version",),
    ("create-indexes",),
    ("daemon", "status", "--pid-dir", "FOLDER"),
    ("doctor",),
    ("health", "--heartbeat-file", "FILE"),
]


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure(lease=4, heartbeat=0.2)
    yield app
    mongojobs.configure()


@pytest.fixture
def filled(app, tmp_path):
    """An app with jobs in several states, a paused queue and a worker; and the id of a failed job."""
    failed = always_fails.options(meta={"trace": "x"}, tags=["t"]).delay()
    append.options(job_id=7, keep_result=60).delay(str(tmp_path / "ledger"), "done")
    logs.options(job_id=8).delay("well")
    work_off()
    append.options(queue="asleep", max_run_time=60).delay("x", "y")
    append.options(queue="mail", run_in=3600, max_attempts=3).delay("x", "y")
    app.pause("asleep", reason="why not")
    app.schedule("reports", append, every="1h", args=("x", "y"), queue="asleep", max_run_time=60)
    app.schedule_of("reports").run_now(by="olga")
    app.schedule_of("reports").edit("2h", by="olga")
    app.schedule_of("reports").pause("audit")
    with working(name="ada", queues=["mail"], max_priority=4):
        eventually(app.workers)
        yield str(failed.id)


def printed(*arguments):
    ended = run_here(*arguments, MONGOJOBS_APP=SAMPLE_APP)
    return ended.exit_code, json.loads(ended.stdout)


def schema_of(command):
    inner = {"list", "show", "why", "result", "log", "declared", "next"}
    return "-".join(word for word in command[:2] if word in {*COMMANDS, *inner})


@pytest.mark.parametrize("command", SAMPLES, ids=" ".join)
def test_follows_its_schema(filled, command, tmp_path):
    given = {"ID": filled, "FOLDER": str(tmp_path), "FILE": str(tmp_path / "none")}

    status, document = printed(*(given.get(word, word) for word in command), "--json")

    jsonschema.validate(document, SCHEMAS[schema_of(command)])
    assert status in (0, 1, 3)


def test_of_every_command_has_a_schema():
    context = command_line.make_context("mongojobs", ["version"])
    with_json = set()
    for name in COMMANDS:
        command = command_line.get_command(context, name)
        for path, one in {
            name: command,
            **{f"{name}-{n}": c for n, c in getattr(command, "commands", {}).items()},
        }.items():
            if any(parameter.name == "as_json" for parameter in one.params):
                with_json.add(path)

    assert with_json - {"queues-latency"} == set(SCHEMAS)


def test_is_tried_with_every_schema():
    assert {schema_of(command) for command in SAMPLES} == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
