"""Jobs that earlier versions stored still run: each dump here is loaded, and all that it left behind is done."""

import copy
import dataclasses
import re
from collections import defaultdict
from datetime import timedelta

import pytest

import mongojobs
from mongojobs import JobFilter
from mongojobs.core.job import FIELDS
from mongojobs.payload.calls import handler
from mongojobs.payload.registry import registry
from mongojobs.schedules.definition import Definition
from tests.stored import app as stored
from tests.stored.writing import DATABASE, FOLDER, dump_on, read, write
from tests.support.clock import START, HeldClock
from tests.support.mongod import with_database
from tests.support.schedules import code, tick
from tests.support.working import work_off

FIRST = FOLDER / "0.1.json"
"""What the first version stored, whose jobs had no results, keys, steps or schedules."""
DUMPS = sorted({*FOLDER.glob("*.json")} - {FIRST})
CLASSES = ("Colour", "Right", "Pair", "Point", "Plain", "Label", "Order", "Parcel", "Address", "Person", "Employee")
"""One of each kind that jobs know by its name, but for a job class, whose own declaration has aliases."""
AN_HOUR_LATER = START + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _nothing_noted():
    stored.noted.clear()


@pytest.fixture
def mongo_uri(mongod, administrator):
    """The URI of a database with the name that the dumped jobs know their documents by."""
    yield with_database(mongod.uri, DATABASE)
    administrator.drop_database(DATABASE)


@pytest.fixture
def clock():
    return HeldClock(AN_HOUR_LATER)


@pytest.fixture
def app(connection, clock):
    with code():
        yield mongojobs.configure(clock=clock, retry_jitter=0)
    mongojobs.configure()


def load_into(app, dump):
    database = app.store.collection.database
    for name, documents in read(dump).items():
        database[name].insert_many(documents)
    app.create_indexes()


@pytest.fixture(params=DUMPS, ids=lambda path: path.stem)
def load(request, app):
    """What an app finds whose jobs were stored by the version of the dump."""
    load_into(app, request.param)


@pytest.fixture
def load_renamed(app, tmp_path, monkeypatch):
    """What an app finds whose classes were in another module when their jobs were stored."""
    for name in ("_renamed", "_classes", "_class_names", "_unread", "_seen"):
        monkeypatch.setattr(registry, name, copy.copy(getattr(registry, name)))
    for name in CLASSES:
        mongojobs.register(getattr(stored, name), aliases=f"shop.before.{name}")
    text = DUMPS[-1].read_text(encoding="utf-8")
    text, count = re.subn(rf'"tests\.stored\.app\.({"|".join(CLASSES)})"', r'"shop.before.\1"', text)
    assert count > len(CLASSES)
    (tmp_path / "dump.json").write_text(text, encoding="utf-8")
    load_into(app, tmp_path / "dump.json")


@pytest.fixture(scope="class")
def written(mongod, administrator):
    """What the code at hand stores."""
    yield dump_on(mongod.uri)
    administrator.drop_database(DATABASE)


def noted():
    """What jobs noted, by case."""
    found = defaultdict(list)
    for case, value in stored.noted:
        found[case].append(value)
    return dict(found)


def run_all(app, clock):
    """Run what there is, and what becomes due within a minute."""
    app.rescue_all()
    work_off(1000, app=app)
    tick(app)
    app.retry("given up", by="ann")
    work_off(1000, app=app)
    clock.advance(minutes=1)
    work_off(1000, app=app)


def with_types(values):
    return {case: [(type(one), one) for one in ones] for case, ones in values.items()}


@pytest.mark.usefixtures("load")
class TestStoredJobs:
    def test_run_as_when_they_were_stored(self, app, clock):
        run_all(app, clock)

        assert with_types(noted()) == with_types(stored.WILL_NOTE)

    def test_have_the_results_that_were_kept(self, app):
        results = {name: app.get(f"result: {name}").result(0) for name in stored.VALUES}

        assert results == stored.VALUES

    def test_that_ended_are_shown_as_they_ended(self, app):
        states = {case: app.get(case).state for case in ("given up", "discarded", "withdrawn", "held")}

        assert states == {"given up": "failed", "discarded": "cancelled", "withdrawn": "cancelled", "held": "completed"}

    def test_hold_their_keys(self, app):
        assert stored.once_in_ten_days.delay("held", 1).duplicate

    def test_are_all_sound(self, app):
        assert app.find(JobFilter(), limit=1000).jobs
        assert [job for job in app.find(limit=1000).jobs if "damaged" in (job.last_error or "")] == []


class TestStoredJobsWhoseClassesWereRenamed:
    @pytest.mark.usefixtures("load_renamed")
    def test_run_as_if_the_classes_had_always_had_their_names(self, app, clock):
        run_all(app, clock)

        assert with_types(noted()) == with_types(stored.WILL_NOTE)

    @pytest.mark.usefixtures("load_renamed")
    def test_have_the_results_that_were_kept(self, app):
        assert {name: app.get(f"result: {name}").result(0) for name in stored.VALUES} == stored.VALUES


class TestJobsOfTheFirstVersion:
    def test_run_as_when_they_were_stored(self, app):
        load_into(app, FIRST)
        app.rescue_all()
        work_off(1000, app=app)
        app.retry("given up", by="ann")
        work_off(1000, app=app)

        will_note = {
            case: values for case, values in {**stored.WILL_NOTE, "running": [None]}.items() if case in noted()
        }
        assert len(will_note) == 52
        assert with_types(noted()) == with_types(will_note)
        assert {job.state for job in app.find(limit=100).jobs} == {"cancelled", "completed"}


class TestADump:
    def test_has_every_field_of_a_job(self, written):
        stored_fields = {name for document in written["delayed_jobs"] for name in document}

        assert {"_id" if field.name == "id" else field.name for field in FIELDS} - stored_fields == set()

    def test_has_every_kind_of_call(self, written):
        handlers = [document["handler"] for document in written["delayed_jobs"]]

        assert {(one["v"], one["kind"]) for one in handlers} == set(handler._KEYS)

    def test_has_every_kind_of_value(self, written):
        tags = set(re.findall(r"'__mj': '(\w+)'", repr(written["delayed_jobs"])))

        assert set(mongojobs.default_app().payloads.codec._decoder._by_tag) - tags == set()

    def test_has_a_value_for_every_field_of_a_schedule(self, written):
        specs = [schedule["spec"] for schedule in written["delayed_jobs_schedules"]]
        said = {name for spec in specs for name, value in spec.items() if value}

        assert {field.name for field in dataclasses.fields(Definition)} - said == set()

    def test_comes_back_as_it_was_written(self, written, tmp_path):
        path, copy = tmp_path / "dump.json", tmp_path / "copy.json"
        write(path, written)
        write(copy, read(path))

        assert copy.read_text() == path.read_text()
