"""A field of a job is declared once, in ``Job``; any place that does not follow is named here."""

import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

import mongojobs
from mongojobs import DelayedJob
from mongojobs.core.job import FIELDS, JOB_OPTIONS
from mongojobs.enqueuing.declarations import Declared
from mongojobs.enqueuing.options import OPTIONS, EnqueueOptions
from mongojobs.payload.registry import Declaration
from tests.support.command_here import run_here
from tests.support.command_line import ROOT, SAMPLE_APP
from tests.support.dashboard import Visitor

DECLARED = [name for name, option in JOB_OPTIONS.items() if option.is_declared]
SAMPLES = {
    "queue": ("mailroom", "mailroom", "mailroom"),
    "priority": ("-7654321", -7654321, "-7654321"),
    "run_at": ("2031-02-03T04:05Z", datetime(2031, 2, 3, 4, 5, tzinfo=UTC), "2031-02-03"),
    "max_attempts": ("1234567", 1234567, "1234567"),
    "max_run_time": ("90m", timedelta(minutes=90), "1h 30m"),
    "expires_at": ("2033-04-05T06:07Z", datetime(2033, 4, 5, 6, 7, tzinfo=UTC), "2033-04-05"),
    "keep_result": ("36h", timedelta(hours=36), "1d 12h"),
    "keep_log": ("48k", 48 * 1024, "48k"),
    "tags": ("urgent", ("urgent",), "urgent"),
    "meta": ('{"trace": "x1"}', {"trace": "x1"}, "x1"),
}
"""An option: how it is typed, what is kept of it, and how it is shown."""


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure()
    yield app
    mongojobs.configure()


def command(*arguments):
    ended = run_here(*arguments, MONGOJOBS_APP=SAMPLE_APP)
    assert ended.exit_code == 0, ended.output
    return ended.output


def typed(name):
    """Return the job that the command line enqueues with the flag of this option."""
    [*_, flag] = OPTIONS[name].flags or [f"--{name.replace('_', '-')}"]
    made = command("enqueue", f"{SAMPLE_APP}.append", "--args", '["x", "y"]', f"{flag}={SAMPLES[name][0]}", "--json")
    return json.loads(made)["id"]


@pytest.mark.parametrize("name", JOB_OPTIONS)
class TestAnOption:
    def test_can_be_given_in_python(self, name):
        assert name in EnqueueOptions.__annotations__

    def test_can_be_typed_and_is_kept(self, app, name):
        typed(name)

        assert getattr(app.find()[0], name) == SAMPLES[name][1]

    def test_is_shown_by_the_command(self, app, name):
        assert SAMPLES[name][2] in command("jobs", "show", typed(name))

    def test_is_shown_by_the_dashboard(self, app, name):
        page = Visitor(app).text(f"/job?id={typed(name)}")

        assert SAMPLES[name][2] in re.sub(r"<form.*?</form>", "", page, flags=re.DOTALL)


@pytest.mark.parametrize("name", DECLARED)
class TestAnOptionOfADeclaration:
    def test_is_known_to_the_type_checker(self, name):
        assert name in Declared.__annotations__

    def test_is_kept_with_the_declaration(self, name):
        assert name in Declaration.__dataclass_fields__


@pytest.mark.parametrize("option", [option for option in JOB_OPTIONS.values() if option.setting])
def test_a_default_is_a_setting(option):
    assert option.setting in mongojobs.Settings.__dataclass_fields__


@pytest.mark.parametrize("name", [name for name, option in JOB_OPTIONS.items() if option.is_of_queue])
def test_an_attribute_of_a_queue_can_be_configured(name):
    assert mongojobs.Settings(queue_attributes={"mail": {name: 1}}).queue_attributes == {"mail": {name: 1}}


def test_mongoengine_knows_every_field():
    assert {field.db_field for field in DelayedJob._fields.values()} == {"_id"} | {f.name for f in FIELDS} - {"id"}


@pytest.mark.parametrize(("schema", "told"), [("jobs-list", {"listed"}), ("jobs-show", {"listed", "detailed"})])
def test_json_has_the_fields_that_its_schema_promises(schema, told):
    document = json.loads((ROOT / "tests" / "schemas" / f"{schema}.json").read_text(encoding="utf-8"))
    promised = document["properties"].get("jobs", {}).get("items", document)["properties"]

    fields = {field.name for field in FIELDS if field.metadata.get("json", "listed") in told}

    assert {name.removesuffix("_seconds") for name in promised} == fields


def test_only_the_run_and_what_an_enqueue_says_is_not_stored():
    all_of_them = {field.name for field in dataclasses.fields(mongojobs.Job)}

    assert all_of_them - {field.name for field in FIELDS} == {"run", "duplicate", "home", "logged"}
