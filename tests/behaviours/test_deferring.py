"""Jobs that this worker cannot load now: they wait for one that can, are not failures, and say why."""

import logging

import mongoengine
import pytest
from mongoengine import Document, IntField

import mongojobs
from mongojobs import Delayable, UndeclaredError, enqueue, job
from mongojobs.app.doctor.examine import examine
from tests.support.command_here import run_here
from tests.support.dashboard import Visitor
from tests.support.mongod import with_database
from tests.support.sample_documents import Band
from tests.support.sample_jobs import (
    Newsletter,
    Recipe,
    cook,
    fails_once_and_for_all,
    remember_later,
    remember_one,
)
from tests.support.undeclared import undeclared
from tests.support.waiting import eventually
from tests.support.working import work_off, working

NAME = "tests.support.sample_jobs.remember_one"


class Faraway(Delayable, Document):
    """Lives behind its own connection."""

    meta = {"db_alias": "elsewhere"}

    number = IntField()

    def take(self):
        Band.objects.count()


@job
def takes(document):
    """Needs its argument loaded."""


@pytest.fixture
def elsewhere(mongo_uri, administrator):
    """Connects and disconnects the database of ``Faraway``."""
    name = mongo_uri.rpartition("/")[2].partition("?")[0] + "_elsewhere"

    def connect():
        mongoengine.connect(host=with_database(mongo_uri, name), alias="elsewhere", uuidRepresentation="standard")

    connect()
    yield connect
    administrator.drop_database(name)


@pytest.fixture
def deferred(app):
    """Says what the store knows of a job that was put off: its state, its attempts, and the first line of why."""

    def deferred(job):
        found = app.get(job.id)
        return found.state, found.attempts, (found.deferred_reason or "").partition("\n")[0]

    return deferred


class TestAJob:
    @pytest.mark.behaviour("S27")
    def test_of_a_class_that_is_not_declared_is_put_off_and_no_attempt_is_counted(self, app, spoil, deferred):
        job = enqueue(Newsletter())
        spoil(job, target="app.jobs.Renamed")

        assert work_off() == (0, 0)

        state, attempts, reason = deferred(job)
        assert (state, attempts) == ("ready", 0)
        assert reason.startswith("UnknownJobError: no job is registered under the name 'app.jobs.Renamed'")
        assert app.get(job.id).last_error is None

    @pytest.mark.behaviour("S28")
    @pytest.mark.parametrize("tag", ["dataclass", "enum", "namedtuple", "document", "embedded", "class"])
    def test_with_a_value_of_a_class_that_is_not_declared_is_put_off(self, app, spoil, deferred, tag):
        job = cook.delay(Recipe("soup"))
        place = {"alias": "default", "database": "x", "collection": "y", "key": {"_id": 1}}
        contents = {
            "document": {"class": "app.Renamed", **place},
            "enum": {"class": "app.Renamed", "name": "RED"},
            "class": "app.Renamed",
        }
        spoil(job, args=[{"__mj": tag, "v": contents.get(tag, {"class": "app.Renamed", "fields": {}})}])

        assert work_off() == (0, 0)

        assert deferred(job)[:2] == ("ready", 0)
        assert "argument 'recipe'" in deferred(job)[2]
        assert "'app.Renamed'" in deferred(job)[2]

    @pytest.mark.parametrize("target", [lambda: Band(name="X").save(), lambda: Band], ids=["document", "class"])
    def test_of_a_method_that_is_not_there_is_put_off(self, app, spoil, deferred, target):
        job = target().delay.applaud(3)
        spoil(job, method="plays")

        assert work_off() == (0, 0)

        assert deferred(job) == (
            "ready",
            0,
            "UnknownJobError: Band has no method 'plays': did you mean 'play'?",
        )

    @pytest.mark.parametrize(
        "fields",
        [{"method": "_tuned"}, {"v": 2, "method": "tour", "owner": "app.Renamed"}],
        ids=["private", "of a base"],
    )
    def test_of_a_method_of_another_version_of_the_code_is_put_off(self, app, spoil, deferred, fields):
        job = Band(name="X").save().tour("Rome")
        spoil(job, **fields)

        assert work_off() == (0, 0)

        assert deferred(job)[:2] == ("ready", 0)
        assert deferred(job)[2].startswith("UnknownJobError: Band has no method ")

    @pytest.mark.parametrize("method", ["", "os.system()", "a b", "\x00", "x" * 1000 + "."])
    def test_of_what_can_be_no_method_fails_at_once(self, app, spoil, method):
        job = Band(name="X").save().delay.play()
        spoil(job, method=method)

        assert work_off() == (0, 1)

        assert app.get(job.id).has_failed

    def test_that_is_async_is_put_off_as_any_other(self, app, deferred):
        job = remember_later.delay(1)

        with undeclared(job.name):
            assert work_off() == (0, 0)

        assert deferred(job)[:2] == ("ready", 0)

    def test_whose_code_raises_such_an_error_itself_has_failed(self, app):
        job = raises_one.delay()

        assert work_off() == (0, 1)

        assert app.get(job.id).has_failed

    def test_is_put_off_for_five_seconds_at_first_then_longer_up_to_five_minutes(self, app, clock):
        job = remember_one.delay(1)

        def delay_of_a_try():
            work_off()
            delay = app.get(job.id).run_at - clock.now()
            clock.advance(seconds=delay.total_seconds())
            return delay.total_seconds()

        with undeclared(NAME):
            delays = [delay_of_a_try() for _ in range(9)]

        assert delays == [5, 5, 10, 20, 40, 80, 160, 300, 300]

    def test_is_taken_by_another_worker_that_knows_it_and_keeps_no_trace(self, app, clock, recorder):
        job = remember_one.options(job_id="kept").delay("at last")
        with undeclared(NAME):
            work_off()
        clock.advance(seconds=5)

        assert work_off() == (1, 0)

        assert recorder.facts("remembered") == ["at last"]
        found = app.store.collection.find_one({"_id": job.id})
        assert found["state"] == "completed"
        assert not {"deferred_since", "deferred_reason"} & found.keys()

    def test_has_all_its_attempts_on_the_worker_that_knows_it(self, app, clock):
        job = fails_once_and_for_all.delay()
        with undeclared(job.name):
            work_off()
        clock.advance(seconds=5)

        work_off()

        found = app.get(job.id)
        assert (found.state, found.attempts, found.deferred_since) == ("failed", 1, None)

    def test_does_not_hold_up_the_others(self, app, recorder):
        strangers = remember_one.options(priority=-1).delay_many([(number,) for number in range(50)])
        app.store.collection.update_many({}, {"$set": {"handler.target": "app.unknown"}})
        remember_one.delay("known")

        assert work_off(limit=len(strangers) + 1) == (1, 0)
        assert recorder.facts("remembered") == ["known"]

    def test_is_not_run_by_the_hooks_of_a_failure(self, configure):
        told = []
        app = configure()
        app.lifecycle.before("error", lambda *_: told.append("error"))
        app.lifecycle.before("failure", lambda *_: told.append("failure"))
        remember_one.delay(1)

        with undeclared(NAME):
            work_off()

        assert told == []


@job
def raises_one():
    """Fails in a way that is not about its own payload."""
    raise UndeclaredError("something else is unknown")


class TestAThousandJobsThatNobodyKnows:
    def test_do_not_keep_a_worker_from_those_that_it_knows(self, configure, recorder):
        app = configure(clock=None)
        remember_one.options(priority=-1).delay_many([(number,) for number in range(1000)])
        app.store.collection.update_many({}, {"$set": {"handler.target": "app.unknown"}})

        with working():
            remember_one.delay("known")
            eventually(lambda: recorder.facts("remembered") == ["known"])
            eventually(lambda: app.store.collection.count_documents({"deferred_since": {"$exists": True}}) == 1000)

        assert app.store.collection.count_documents({"state": "ready", "attempts": 0}) == 1000


class TestAJobThatNoWorkerKnowsForTooLong:
    @pytest.mark.parametrize("destroy", [False, True])
    def test_is_failed_and_kept(self, configure, clock, destroy):
        app = configure(destroy_failed_jobs=destroy)
        job = remember_one.delay(1)

        with undeclared(NAME):
            work_off()
            clock.advance(hours=23, minutes=59)
            assert work_off() == (0, 0)
            clock.advance(minutes=5)
            assert work_off() == (0, 1)

        found = app.get(job.id)
        assert found.state == "failed"
        assert found.last_error.startswith("UnknownJobError: no job is registered under the name")
        assert found.deferred_since is None

    def test_is_reported_with_the_setting(self, configure, clock, caplog):
        configure(undeclared_for="1h")
        remember_one.delay(1)

        with undeclared(NAME):
            work_off()
            clock.advance(hours=1)
            work_off()

        assert "FAILED permanently: no worker could load it for 1h (undeclared_for)" in caplog.text

    def test_is_put_off_again_after_a_retry_by_a_person(self, app, clock):
        job = remember_one.delay(1)
        with undeclared(NAME):
            work_off()
            clock.advance(days=1)
            work_off()
            app.retry(job.id)

            assert work_off() == (0, 0)

        assert app.get(job.id).deferred_since == clock.now()

    def test_is_failed_at_once_where_the_setting_is_zero(self, configure):
        app = configure(undeclared_for=0)
        job = remember_one.delay(1)

        with undeclared(NAME):
            assert work_off() == (0, 1)

        assert app.get(job.id).has_failed


class TestAConnectionThatIsNotMade:
    @pytest.mark.parametrize("enqueued", [lambda one: one.delay.take(), takes.delay])
    def test_for_a_moment_puts_the_job_off_until_it_is(self, app, elsewhere, clock, deferred, enqueued):
        job = enqueued(Faraway(number=1).save())
        mongoengine.disconnect("elsewhere")

        assert work_off() == (0, 0)
        assert deferred(job)[:2] == ("ready", 0)
        assert "is of the connection 'elsewhere', which this worker has not made" in deferred(job)[2]

        elsewhere()
        clock.advance(seconds=5)
        assert work_off() == (1, 0)

    def test_of_the_class_while_the_job_names_another_puts_it_off(self, configure, elsewhere, mongo_uri, deferred):
        configure()
        job = takes.delay(Faraway(number=1).save())
        stored = job.handler["args"][0]["v"] | {"alias": "default"}
        configure().store.collection.update_one({"_id": job.id}, {"$set": {"handler.args.0.v": stored}})
        mongoengine.disconnect("elsewhere")

        assert work_off() == (0, 0)
        assert "is of the connection 'elsewhere'" in deferred(job)[2]

    def test_any_more_when_the_document_is_asked_for_puts_the_job_off(self, app, elsewhere, monkeypatch, deferred):
        job = takes.delay(Faraway(number=1).save())
        references = app.payloads.codec._references._others
        opened = references._open

        def opened_and_closed(cls, place):
            collection = opened(cls, place)
            mongoengine.disconnect("elsewhere")
            return collection

        monkeypatch.setattr(references, "_open", opened_and_closed)

        assert work_off() == (0, 0)
        assert deferred(job)[:2] == ("ready", 0)


class TestTheLog:
    def test_warns_once_a_name(self, app, clock, caplog):
        caplog.set_level(logging.INFO, logger="mongojobs")
        remember_one.delay_many([(1,), (2,)])
        other = remember_later.delay(3)

        with undeclared(NAME, other.name):
            work_off()
            clock.advance(seconds=5)
            work_off()

        told = [record for record in caplog.records if "DEFERRED" in record.getMessage()]
        warnings = [record.job for record in told if record.levelname == "WARNING"]
        assert sorted(warnings) == sorted([NAME, other.name])
        assert len(told) == 6
        assert "DEFERRED for 5 s, as it cannot be loaded here: UnknownJobError: no job is" in told[0].getMessage()


class TestPeople:
    """What people see who ask what happened to the job."""

    @pytest.fixture
    def job(self, app):
        app.create_indexes()
        job = remember_one.delay(1)
        with undeclared(NAME):
            work_off()
        return job

    def test_are_told_why(self, app, job):
        [_no_worker, reason] = app.why(job.id)

        assert reason.kind == "deferred"
        assert reason.text.startswith(
            "no worker that has found it since 2030-01-01 12:00:00 UTC could load it: UnknownJobError: no job is"
        )
        assert reason.text.endswith(
            "it is tried again at 2030-01-01 12:00:05 UTC, and given up on after 2030-01-02 12:00:00 UTC"
        )
        assert f"mongojobs jobs run-now {job.id}" in reason.remedy

    def test_are_shown_it_with_the_job_and_in_lists(self, job):
        assert "  because      UnknownJobError: no job is registered" in run_here("jobs", "show", str(job.id)).output
        assert "UnknownJobError: no job is" in run_here("jobs", "list", COLUMNS="250").output

    def test_are_reported_by_the_doctor(self, app, job):
        [finding] = [one for one in examine(app, {}).findings if one.kind == "deferred_jobs"]

        assert finding.severity == "fault"
        assert f"1 job of {NAME} could not be loaded by any worker that has found them since 2030-01-01" in finding.text

    def test_are_reported_by_the_dashboard(self, app, job):
        page = Visitor(app).text("/")

        assert f"1 job of {NAME}" in page
        assert "could not be loaded by any worker so far: UnknownJobError: no job is registered" in page

    def test_can_ask_for_it_through_the_document(self, job):
        [found] = mongojobs.DelayedJob.objects(deferred_since__exists=True)

        assert found.deferred_reason.startswith("UnknownJobError")

    def test_can_have_it_tried_at_once(self, app, job, recorder):
        app.run_now(job.id)

        assert work_off() == (1, 0)
        assert recorder.facts("remembered") == [1]


class TestChildren:
    """With ``executor=process`` the child decides, since it alone has imported the app."""

    def test_that_do_not_know_a_job_put_it_off(self, start, configure):
        app = configure(clock=None)
        job = remember_one.delay(1)

        ended = start("workoff", "--executor", "process", "-A", "tests.support.sample_app").wait()

        assert ended == 0
        found = app.get(job.id)
        assert (found.state, found.attempts) == ("ready", 0)
        assert found.deferred_reason.startswith("UnknownJobError: no job is registered")
