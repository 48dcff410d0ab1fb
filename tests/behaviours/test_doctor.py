"""The doctor finds each planted fault, and says what to do about it."""

import json
from datetime import UTC, datetime, timedelta

import mongoengine
import pytest
from pymongo import MongoClient

import mongojobs
from mongojobs import MongoJobs, Settings, every, job
from mongojobs.app.doctor import local_checks
from mongojobs.app.doctor.examine import examine
from mongojobs.store.workers import WorkerStatus, WorkerStore
from mongojobs.version import __version__
from tests.support import sample_documents, sample_jobs
from tests.support.clock import HeldClock
from tests.support.command_here import run_here
from tests.support.jobs import a_job
from tests.support.mongod import Server, with_database
from tests.support.schedules import code, ticks
from tests.support.spy import Spy

HOUR = timedelta(hours=1)


@job(name="tests.doctor.plain_job")
def plain_job() -> None:
    """Do nothing."""


NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def configure(connection):
    """Sets up the default app again, on the server's own clock and with its indexes."""

    def configure(**values):
        app = mongojobs.configure(**values)
        app.create_indexes()
        return app

    yield configure
    mongojobs.configure()


@pytest.fixture
def app(configure):
    """The default app, with which nothing is wrong."""
    return configure()


def a_worker(app, *queues, **changes):
    """Add a live worker that works on *queues*, or on all."""
    values = {"name": "w", "host": "h", "pid": 1, "started_at": NOW, "threads": 1, "busy": 0, "version": __version__}
    status = WorkerStatus(**values | {"queues": queues} | changes)
    WorkerStore(app.store.collection, app.store.clock, app.settings).beat(status)


def a_due_job(app, **changes):
    job = a_job(**{"run_at": NOW - HOUR, "created_at": NOW - HOUR} | changes)
    app.store.insert(job)
    return job


def found(app, kind, environ=None, **options):
    """Return the one finding of *kind*."""
    [finding] = [one for one in examine(app, environ or {}, **options).findings if one.kind == kind]
    return finding


def kinds(app, environ=None):
    return [finding.kind for finding in examine(app, environ or {}).findings]


class TestWhereNothingIsWrong:
    def test_nothing_is_found(self, app):
        sample_jobs.remember.delay(1)
        sample_documents.Band(name="The Doctors").save().delay.play()
        a_worker(app)

        diagnosis = examine(app, {})

        assert diagnosis.findings == ()
        assert diagnosis.is_healthy
        assert diagnosis.facts["MongoDB"].endswith("replica set")
        assert diagnosis.facts["workers alive"] == "1"

    def test_nothing_is_changed(self, app, client):
        a_due_job(app)
        before = list(client.get_default_database()["delayed_jobs"].find())

        examine(app, {})

        assert list(client.get_default_database()["delayed_jobs"].find()) == before


class TestSettings:
    def test_that_store_no_job(self, configure):
        finding = found(configure(delay_jobs=False), "delay_jobs")

        assert finding.severity == "fault"
        assert "set delay_jobs to true" in finding.remedy

    def test_that_let_a_failover_lose_jobs(self, configure):
        with pytest.warns(UserWarning, match="write_concern is 1"):
            finding = found(configure(write_concern=1), "write_concern")

        assert finding.severity == "fault"
        assert 'set write_concern to "majority"' in finding.remedy

    def test_with_a_lease_that_a_hanging_primary_outlasts(self, configure):
        finding = found(configure(lease=10, heartbeat=2), "short_lease")

        assert finding.severity == "fault"
        assert "set lease to 1m" in finding.remedy

    def test_with_a_lease_beyond_the_time_limit(self, configure):
        finding = found(configure(lease="2h", max_run_time="1h"), "long_lease")

        assert "set lease to 1m" in finding.remedy

    def test_with_a_stop_longer_than_heroku_waits(self, configure):
        finding = found(configure(shutdown_timeout="2m"), "shutdown_timeout", {"DYNO": "worker.1"})

        assert finding.severity == "fault"
        assert "set shutdown_timeout to 25s or less" in finding.remedy

    @pytest.mark.parametrize(
        ("variable", "where"),
        [
            ("KUBERNETES_SERVICE_HOST", "terminationGracePeriodSeconds is 2m5s or more"),
            ("RENDER", "maxShutdownDelaySeconds is 2m5s or more"),
            ("FLY_APP_NAME", "kill_timeout is 2m5s or more"),
        ],
    )
    def test_with_a_stop_that_the_platform_must_be_told_of(self, configure, variable, where):
        finding = found(configure(shutdown_timeout="2m"), "shutdown_timeout", {variable: "x"})

        assert finding.severity == "advice"
        assert where in finding.remedy.replace("125s", "2m5s")

    def test_that_fit_are_not_found_fault_with(self, app):
        assert kinds(app, {"DYNO": "worker.1", "KUBERNETES_SERVICE_HOST": "x", "RENDER": "true"}) == []


class TestTheEnvironment:
    def test_with_a_number_of_processes_for_web_servers(self, app):
        finding = found(app, "web_concurrency", {"WEB_CONCURRENCY": "3"})

        assert "set MONGOJOBS_PROCESSES or MONGOJOBS_THREADS" in finding.remedy

    @pytest.mark.parametrize(
        ("environ", "settings"),
        [({"DYNO": "run.1"}, Settings()), ({}, Settings(threads=4)), ({}, Settings(processes=2))],
        ids=["Heroku sets it", "threads are set", "processes are set"],
    )
    def test_with_such_a_number_is_fine_where_nothing_is_left_to_do(self, environ, settings):
        assert list(local_checks.of_environment(settings, {"WEB_CONCURRENCY": "3", **environ})) == []

    @pytest.mark.parametrize(
        ("package", "version"), [("pymongo", "4.12.1"), ("pymongo", "5.0"), ("mongoengine", "0.29.0")]
    )
    def test_with_a_driver_that_does_not_fit(self, package, version):
        [finding] = local_checks.of_versions(local_checks.installed_versions() | {package: version})

        assert finding.severity == "fault"
        assert finding.remedy.startswith(f'pip install "{package}>=')


class TestTheServer:
    def test_that_is_away(self):
        app = MongoJobs(Settings(uri="mongodb://127.0.0.1:1/away?serverSelectionTimeoutMS=100"))

        finding = found(app, "connection")
        app.close()

        assert finding.severity == "fault"
        assert "check that the server is running" in finding.remedy

    def test_that_nobody_named(self, monkeypatch):
        mongoengine.disconnect_all()
        monkeypatch.delenv("MONGODB_URI", raising=False)

        assert "set MONGODB_URI" in found(MongoJobs(Settings()), "connection").remedy

    def test_with_a_clock_of_its_own(self, app):
        finding = found(app, "clock", wall=HeldClock(datetime.now(UTC) + HOUR))

        assert finding.severity == "fault"
        assert "ahead of the database's" in finding.text
        assert "let NTP set the clock" in finding.remedy

    def test_that_is_no_replica_set(self):
        with Server(replica_set=0, own=True, quick=True) as server:
            app = MongoJobs(Settings(uri=with_database(server.uri, "alone")))
            app.create_indexes()

            finding = found(app, "standalone")
            app.close()

        assert "rs.initiate()" in finding.remedy

    def test_without_an_index(self, app):
        app.store.collection.drop_index("running")

        finding = found(app, "indexes")

        assert finding.severity == "fault"
        assert "missing: running;" in finding.text
        assert finding.remedy == "run: mongojobs create-indexes"

    def test_without_the_index_of_unique_jobs(self, app):
        app.store.collection.drop_index("unique")

        assert found(app, "indexes").text == "indexes are missing: unique; unique jobs are refused without them"

    def test_with_another_index_of_that_name(self, app):
        app.store.collection.drop_index("ready")
        app.store.collection.create_index([("priority", 1)], name="ready")

        assert 'dropIndex("ready")' in found(app, "indexes").remedy


class TestTheCollection:
    @pytest.fixture
    def in_collection(self, connection, mongo_uri):
        """An app whose jobs are in a collection made by others."""
        app = MongoJobs(Settings(uri=mongo_uri, collection="made_by_others"))
        yield app
        app.close()

    @pytest.mark.parametrize(
        ("options", "harm"),
        [
            ({"capped": True, "size": 4096}, "overwritten"),
            ({"timeseries": {"timeField": "run_at"}}, "hardly be updated"),
            ({"viewOn": "delayed_jobs", "pipeline": []}, "nothing can be stored"),
        ],
    )
    def test_that_cannot_hold_jobs(self, in_collection, client, options, harm):
        client.get_default_database().create_collection("made_by_others", **options)

        finding = found(in_collection, "collection_type")

        assert finding.severity == "fault"
        assert harm in finding.text
        assert "the setting collection" in finding.remedy

    @pytest.mark.parametrize(
        ("options", "harm"), [({"expireAfterSeconds": 3600}, "delete jobs"), ({"unique": True}, "refuse jobs")]
    )
    def test_with_an_index_that_loses_jobs(self, app, options, harm):
        app.store.collection.create_index("created_at", name="house_keeping", **options)

        finding = found(app, "foreign_index")

        assert harm in finding.text
        assert finding.remedy == 'drop it: db.delayed_jobs.dropIndex("house_keeping")'

    def test_with_a_harmless_index_of_somebody(self, app):
        app.store.collection.create_index("tags")

        assert kinds(app) == []


class TestTheClientOfTheApp:
    def test_that_reads_from_secondaries(self, mongo_uri):
        with MongoClient(f"{mongo_uri}&readPreference=secondaryPreferred") as client:
            app = MongoJobs(Settings(), client=client)

            with pytest.warns(UserWarning, match="shares the app's MongoDB client"):
                finding = found(app, "read_preference")

        assert "take readPreference out of the URI" in finding.remedy

    def test_that_does_not_retry_writes(self, mongo_uri):
        with MongoClient(f"{mongo_uri}&retryWrites=false") as client:
            app = MongoJobs(Settings(), client=client)

            with pytest.warns(UserWarning, match="retryWrites"):
                finding = found(app, "retry_writes")

        assert "take retryWrites=false out" in finding.remedy


class TestStoredJobs:
    def test_that_no_code_is_declared_for(self, app):
        ids = [a_due_job(app, name="shop.gone", handler=a_function("shop.gone")).id for _ in range(3)]

        finding = found(app, "unknown_job")

        assert finding.severity == "fault"
        assert "3 ready jobs of shop.gone cannot be run by this code" in finding.text
        assert any(f"one is {job_id}" in finding.text for job_id in ids)
        assert "declare it again" in finding.remedy

    def test_that_failed_because_no_code_is_declared_for_them(self, app):
        a_due_job(app, name="shop.gone", handler=a_function("shop.gone"), state="failed", finished_at=NOW)

        assert "1 failed job of shop.gone" in found(app, "unknown_job").text

    def test_of_documents_whose_class_or_method_is_gone(self, app):
        band = sample_documents.Band(name="The Gone").save()
        band.delay.play()
        band.delay.play()
        [first, second] = app.reader.find()
        change = app.store.collection.update_one
        change({"_id": first.id}, {"$set": {"handler.method": "no_such_method"}})
        change({"_id": second.id}, {"$set": {"handler.target.v.class": "shop.Gone"}})

        texts = [finding.text for finding in examine(app, {}).findings if finding.kind == "unknown_job"]

        assert len(texts) == 2
        assert "no_such_method" in "".join(texts)
        assert "shop.Gone" in "".join(texts)

    def test_that_are_damaged(self, app):
        job = a_due_job(app)
        app.store.collection.update_one({"_id": job.id}, {"$set": {"handler": "{}"}})

        assert "cannot be run by this code" in found(app, "unknown_job").text

    def test_that_are_large(self, app):
        sample_jobs.remember.delay("x" * 200_000)

        finding = found(app, "large_job")

        assert finding.severity == "advice"
        assert "tests.support.sample_jobs.remember carry up to 200," in finding.text
        assert "pass its id" in finding.remedy

    def test_that_are_larger_than_allowed(self, app, configure):
        sample_jobs.remember.delay("x" * 2000)

        finding = found(configure(max_payload_bytes=1000), "large_job")

        assert finding.severity == "fault"
        assert "more than max_payload_bytes (1,000) allows" in finding.text

    @pytest.mark.parametrize(
        "change", [{"$set": {"state": "blocked"}}, {"$unset": {"state": ""}}, {"$set": {"state": 7}}]
    )
    def test_in_a_state_that_is_none(self, app, change):
        job = sample_jobs.remember.delay(1)
        app.store.collection.update_one({"_id": job.id}, change)

        finding = found(app, "odd_state")

        assert finding.severity == "fault"
        assert "1 job in the unknown state" in finding.text
        assert f"mongojobs jobs show {job.id}" in finding.remedy
        assert run_here("jobs", "show", str(job.id)).exit_code == 0
        assert run_here("jobs", "delete", str(job.id), "--yes").exit_code == 0

    def test_whose_worker_died_and_that_nobody_took_back(self, app):
        locked = {"state": "running", "locked_by": "dead", "lock_token": "t", "locked_at": NOW - HOUR}
        a_due_job(app, **locked, locked_until=NOW - HOUR)
        a_due_job(app, **locked, locked_until=NOW + HOUR)

        finding = found(app, "abandoned_jobs")

        assert finding.severity == "fault"
        assert "1 running job lost their worker more than 1m ago" in finding.text
        assert "mongojobs work" in finding.remedy


class TestQueues:
    def test_with_due_jobs_and_no_worker(self, app):
        sample_jobs.remember.options(queue="mail").delay()

        finding = found(app, "no_worker")

        assert finding.severity == "fault"
        assert finding.text == "jobs of the queue 'mail' are due, and no worker is alive"
        assert finding.remedy == "start one: mongojobs work --queues mail"

    def test_with_due_jobs_that_no_worker_listens_to(self, app):
        sample_jobs.remember.options(queue="mail").delay()
        sample_jobs.remember.options(queue="slow").delay()
        a_worker(app, "slow")

        assert "'mail' are due, and none of the workers that are alive listens" in found(app, "no_worker").text

    def test_whose_only_worker_is_quiet(self, app):
        sample_jobs.remember.delay()
        a_worker(app, state="quiet")

        assert "all workers that listen to it are quiet or stopping" in found(app, "no_worker").text

    def test_whose_quiet_worker_has_another_beside_it(self, app):
        sample_jobs.remember.delay()
        a_worker(app, state="quiet")
        a_worker(app, name="another")

        assert kinds(app) == []

    def test_with_a_priority_that_no_worker_takes(self, app):
        sample_jobs.remember.options(priority=7).delay()
        a_worker(app, max_priority=5)
        a_worker(app, name="another", min_priority=8)

        assert "none of the workers that listen to it takes their priority" in found(app, "no_worker").text

    def test_whose_workers_take_all_priorities_together(self, app):
        sample_jobs.remember.options(priority=7).delay()
        a_worker(app, max_priority=5)
        a_worker(app, name="another", min_priority=6)

        assert kinds(app) == []

    def test_with_scheduled_jobs_only_need_no_worker_yet(self, app):
        sample_jobs.remember.options(run_in=HOUR).delay()

        assert kinds(app) == []

    def test_that_were_paused_and_forgotten(self, app):
        app.pause("mail", reason="the provider is down")
        app.pauses.collection.update_one({"_id": "mail"}, {"$set": {"since": NOW - 50 * HOUR}})
        sample_jobs.remember.options(queue="mail").delay()

        finding = found(app, "long_pause")

        assert "'mail' has been paused for 2 days (the provider is down)" in finding.text
        assert "mongojobs queues resume mail" in finding.remedy
        assert "no_worker" not in kinds(app)

    def test_with_a_short_pause_are_no_fault(self, app):
        app.pause("mail")

        assert kinds(app) == []


class TestWorkers:
    def test_of_another_version(self, app):
        a_worker(app, version="0.0.1")

        assert "0.0.1 are alive beside this" in found(app, "other_versions").text


class TestWhatCannotBeLookedAt:
    def test_is_reported_and_hides_nothing_else(self, app, monkeypatch):
        from mongojobs.store.reader.job_reader import JobReader
        from tests.support.worker_parts import REFUSED

        def refuse(*_):
            raise REFUSED

        monkeypatch.setattr(JobReader, "kinds", refuse)
        app.store.collection.drop_index("running")

        assert kinds(app) == ["indexes", "not_seen", "not_seen"]
        assert "unknown jobs could not be examined" in examine(app, {}).findings[1].text


class TestBounds:
    def test_each_look_is_ended_by_the_server_after_some_seconds(self, mongo_uri):
        spy = Spy()
        with MongoClient(mongo_uri, event_listeners=[spy]) as client:
            app = MongoJobs(Settings(), client=client)
            app.create_indexes()
            a_due_job(app, name="shop.gone", handler=a_function("shop.gone"))
            spy.sent.clear()

            with pytest.warns(UserWarning, match="shares the app's MongoDB client"):
                examine(app, {})

        looks = [event for event in spy.sent if event.command_name in ("find", "aggregate", "count", "listIndexes")]
        assert len(looks) > 8
        assert [event.command_name for event in looks if "maxTimeMS" not in event.command] == []


class TestTheCommand:
    def test_tells_the_faults_with_what_to_do_and_fails(self, app):
        app.store.collection.drop_index("running")

        answer = run_here("doctor", MONGOJOBS_APP="tests.support.sample_app")

        assert answer.exit_code == 1
        assert "Fault: indexes are missing: running;" in answer.output
        assert "Fix: run: mongojobs create-indexes" in answer.output
        assert answer.output.endswith("1 fault found\n")

    def test_succeeds_when_nothing_is_wrong(self, app):
        answer = run_here("doctor", MONGOJOBS_APP="tests.support.sample_app")

        assert answer.exit_code == 0
        assert answer.output.endswith("Nothing is wrong\n")

    def test_succeeds_with_advice_alone(self, app, monkeypatch):
        monkeypatch.setenv("WEB_CONCURRENCY", "2")

        answer = run_here("doctor", MONGOJOBS_APP="tests.support.sample_app")

        assert answer.exit_code == 0
        assert "Advice: WEB_CONCURRENCY=2" in answer.output
        assert answer.output.endswith("Nothing is wrong, but heed the advice\n")

    def test_prints_json(self, app):
        sample_jobs.remember.options(queue="mail").delay()

        document = json.loads(run_here("doctor", "--json", MONGOJOBS_APP="tests.support.sample_app").stdout)

        assert document["healthy"] is False
        assert {"kind", "severity", "text", "remedy"} == set(document["findings"][0])
        assert document["findings"][0]["kind"] == "no_worker"

    def test_finds_the_uri_on_the_command_line_and_does_not_repeat_it(self, app, mongo_uri):
        uri = mongo_uri.replace("mongodb://", "mongodb://user:c4n4ry@") + "&serverSelectionTimeoutMS=500"

        answer = run_here("doctor", "--uri", uri, MONGOJOBS_APP="tests.support.sample_app")
        mongojobs.default_app().close()

        assert answer.exit_code == 1
        assert "Fault: the URI stands on the command line" in answer.output
        assert "set MONGOJOBS_URI or MONGODB_URI instead" in answer.output
        assert "c4n4ry" not in answer.output

    def test_finds_a_database_that_is_away_in_place_of_failing(self, app):
        away = "mongodb://127.0.0.1:1/away?serverSelectionTimeoutMS=100"

        answer = run_here("doctor", MONGOJOBS_URI=away)

        assert answer.exit_code == 1
        assert "Fault: the database is not available" in answer.output


def a_function(name):
    return {"v": 1, "kind": "function", "target": name, "args": [], "kwargs": {}}


class TestSchedules:
    def test_that_no_living_worker_declares_are_named(self, app):
        with code((plain_job, every("1h", name="hourly"))):
            ticks(app)

        assert "no living worker's code declares it" in found(app, "orphaned_schedule").text

    def test_that_are_overdue_are_named(self, app):
        app.schedule("hourly", plain_job, every="1h")
        app.schedule_store.collection.update_one({}, {"$set": {"next_run_at": NOW - 50 * HOUR}})

        assert "the schedule 'hourly' was due 2d 2h ago" in found(app, "overdue_schedule").text

    def test_that_are_damaged_are_named(self, app):
        app.schedule("hourly", plain_job, every="1h")
        app.schedule_store.collection.update_one({}, {"$set": {"spec.due": "soon"}})

        assert "cannot be read: 'soon' is not a schedule" in found(app, "damaged_schedule").text
        assert found(app, "damaged_schedule").remedy.startswith("remove it and make it again")

    def test_of_the_code_that_are_damaged_are_repaired_by_a_worker_that_starts(self, app):
        with code((plain_job, every("1h", name="hourly"))):
            ticks(app)
        app.schedule_store.collection.update_one({}, {"$set": {"totals": 5}})

        assert found(app, "damaged_schedule").remedy == "restart a worker whose code declares it, which repairs it"
