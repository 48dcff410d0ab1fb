"""Anyone who can write to the collections blinds nobody: damage is shown as damage, and all the rest is shown too."""

from collections.abc import Iterator
from itertools import islice

import pytest
from bson import Int64, MaxKey, ObjectId, Regex, Timestamp
from pymongo import MongoClient

import mongojobs
from mongojobs import FilterError, JobFilter, MongoJobs
from mongojobs.app.dashboard import what_waits
from mongojobs.app.doctor.examine import examine
from mongojobs.core.job import STATES
from mongojobs.store.documents import to_document
from tests.support.command_here import run_here
from tests.support.dashboard import PAGES, Visitor, a_failed_job
from tests.support.jobs import a_job
from tests.support.planted import (
    JOB_FIELDS,
    NOW,
    ODD,
    plant_jobs,
    plant_jobs_with_odd_ids,
    plant_logs,
    plant_pauses,
    plant_stats,
    plant_workers,
)
from tests.support.sample_app import append
from tests.support.schedules import tick

READERS = {
    "list": lambda app: [app.find(JobFilter(state=state), limit=1000) for state in STATES],
    "list of all": lambda app: app.find(limit=1000),
    "counts": lambda app: app.counts(),
    "report": lambda app: app.report(),
    "latency": lambda app: app.latency(),
    "failures": lambda app: app.failures(),
    "workers": lambda app: (app.workers(), app.dead_workers()),
    "stats": lambda app: [app.stats(by=by, apart=apart) for by in ("minute", "hour", "day") for apart in (True, False)],
    "doctor": lambda app: examine(app, {}),
    "what waits": lambda app: what_waits(app, limit=100),
}
COMMANDS = (
    *(("jobs", "list"), ("jobs", "list", "--json"), ("status",), ("status", "--json"), ("top", "--once")),
    *(
        ("workers", "list"),
        ("workers", "list", "--json"),
        ("queues", "list"),
        ("queues", "list", "--json"),
        ("doctor",),
    ),
)


@pytest.fixture
def app(connection: MongoClient, indexes: None) -> Iterator[MongoJobs]:
    """The default app, with its indexes, and a job that is sound."""
    app = mongojobs.configure()
    app.store.insert(a_job(id="sound", id_given=True, run_at=NOW))
    yield app
    mongojobs.configure()


@pytest.fixture
def beside(app):
    """The collections other than that of the jobs, by what is in them."""
    jobs = app.store.collection
    return {kind: jobs.database[f"{jobs.name}_{kind}"] for kind in ("workers", "queues", "stats")}


def read_all(app):
    """Read everything in each way, and return what was read by the name of the way."""
    return {name: read(app) for name, read in READERS.items()}


def pages_of(app, chosen):
    """Return the ids of all pages of a list, of two jobs each; no more of them than there can be."""
    return [job.id for page in islice(pages(app, chosen, limit=2), 50) for job in page]


def printed(app):
    """Return how the commands end, each of which prints something."""
    return {run_here(*command).exit_code for command in COMMANDS}


def shown(app):
    """Return how the pages answer."""
    visitor = Visitor(app)
    return {visitor.get(page).status_code for page in [*PAGES, "/jobs?state=failed"]}


class TestAPlantedJob:
    @pytest.mark.parametrize("field", JOB_FIELDS)
    def test_is_shown_beside_all_others(self, app, field):
        plant_jobs(app.store.collection, field, "ready", "running", "failed")

        read_all(app)
        jobs = app.find(limit=1000).jobs

        assert len(jobs) == 3 * len(ODD) + 1
        assert "sound" in [job.id for job in jobs]

    @pytest.mark.parametrize(
        "field", ["priority", "attempts", "max_run_time", "run_at", "errors", "handler", "tags", "state"]
    )
    def test_is_printed_and_on_the_pages(self, app, field):
        plant_jobs(app.store.collection, field, "failed")

        assert printed(app) <= {0, 1}
        assert shown(app) == {200}

    def test_says_what_is_damaged(self, app):
        app.store.collection.insert_one({"_id": "planted", "state": "failed", "finished_at": NOW, "priority": 2**40})

        assert app.get("planted").last_error.startswith("damaged: ")

    @pytest.mark.parametrize("part", ["at", "attempt", "error", "trace", "worker"])
    def test_with_a_damaged_entry_of_its_errors_has_its_page(self, app, part):
        entry = {"at": NOW, "attempt": 1, "error": "E: e", "trace": "t", "worker": "w"}
        sound = to_document(a_job(state="failed", finished_at=NOW))
        entries = [{**entry, part: value} for value in ODD]
        app.store.collection.insert_one({**sound, "_id": "planted", "errors": entries})

        told = run_here("jobs", "show", "planted")

        assert told.exit_code == 0, told.output
        assert run_here("jobs", "show", "planted", "--json").exit_code == 0
        assert Visitor(app).get("/job?id=text-planted").status_code == 200

    def test_may_have_any_id(self, app):
        plant_jobs_with_odd_ids(app.store.collection)

        read_all(app)

        assert len(app.find(limit=1000).jobs) == app.store.collection.count_documents({})
        assert printed(app) <= {0, 1}
        assert shown(app) == {200}


class TestAListOverPlantedJobs:
    @pytest.mark.parametrize("value", ODD, ids=lambda value: f"{value!r:.30}")
    def test_goes_on_through_all_of_them(self, app, value):
        sound = to_document(a_job(state="failed", finished_at=NOW))
        planted = [{**sound, "_id": f"planted {number}", "finished_at": value} for number in range(3)]
        app.store.collection.insert_many([*({**sound, "_id": f"sound {number}"} for number in range(3)), *planted])

        jobs = pages_of(app, JobFilter(state="failed"))

        assert sorted(jobs) == [f"{kind} {number}" for kind in ("planted", "sound") for number in range(3)]

    @pytest.mark.parametrize("chosen", [JobFilter(state="failed"), JobFilter()])
    def test_goes_on_through_ids_of_all_types(self, app, chosen):
        app.store.collection.delete_many({})
        plant_jobs_with_odd_ids(app.store.collection)

        jobs = pages_of(app, chosen)

        assert len(jobs) == app.store.collection.count_documents({})

    def test_does_not_take_a_place_of_another_list(self, app):
        app.store.collection.insert_many(to_document(a_job(state="failed", finished_at=NOW)) for _ in range(3))
        place = app.find(JobFilter(state="failed"), limit=1).next

        with pytest.raises(FilterError, match="give the `next` of the previous page"):
            app.find(JobFilter(state="running"), limit=1, after=place)

    def test_lets_all_of_them_be_retried(self, app, monkeypatch):
        monkeypatch.setattr("mongojobs.store.actions.sweep.SWEPT_AT_ONCE", 2)
        sound = to_document(a_job(state="failed", finished_at=NOW))
        odd = [Regex("("), Timestamp(1, 1), "soon", {}, True, None, 1.5, MaxKey()]
        app.store.collection.insert_many({**sound, "_id": ObjectId(), "finished_at": value} for value in [*odd, NOW])

        assert app.retry_all(JobFilter(state="failed")) == len(odd) + 1


class TestAPlantedWorker:
    def test_is_shown_beside_all_others(self, app, beside):
        plant_workers(beside["workers"])

        read_all(app)

        assert len(app.workers()) == beside["workers"].count_documents({"expire_at": {"$gt": app.store.clock.now()}})
        assert printed(app) <= {0, 1}
        assert shown(app) == {200}


class TestAPlantedSchedule:
    @pytest.mark.parametrize(
        "field",
        [
            *("source", "spec", "next_run_at", "paused", "unfinished", "ticks", "totals", "edited", "code", "revision"),
            *("spec.due", "spec.tz", "spec.overlap", "spec.window", "spec.starts", "spec.ends", "spec.times"),
        ],
    )
    def test_is_shown_beside_all_others_whose_ticks_it_does_not_keep(self, app, field):
        sound = app.schedule("sound", append, every="1s", args=("x", "y"))
        schedules = app.schedule_store.collection
        found = schedules.find_one({"_id": "sound"})
        for number, value in enumerate(ODD):
            schedules.insert_one({**found, "_id": f"planted {number}", "next_run_at": NOW})
            schedules.update_one({"_id": f"planted {number}"}, {"$set": {field: value}})
        schedules.update_one({"_id": "sound"}, {"$set": {"next_run_at": NOW}})

        tick(app)
        reports = app.schedule_reports()

        assert len(reports) == len(ODD) + 1
        assert all(isinstance(report.next_times(10), list) for report in reports)
        assert len(sound.get().ticks) > 0
        assert run_here("schedules", "list").exit_code == 0


class TestAPlantedPause:
    def test_is_shown_beside_all_others(self, app, beside):
        plant_pauses(beside["queues"])
        app.pause("sound")

        read_all(app)

        assert "sound" in [pause.queue for pause in app.pauses.all()]
        assert printed(app) <= {0, 1}
        assert shown(app) == {200}


class TestAPlantedLog:
    def test_is_shown_as_well_as_possible(self, app):
        job = a_failed_job(keep_log=64 * 1024)
        app.store.insert(job)
        plant_logs(app.log_store.collection, job.id)

        texts = [line.text for run in app.log(job.id) for line in run.lines]
        page = Visitor(app).get(f"/job?id={job.id}")
        followed = [line.text for run in app.follow_log(job.id) for line in run.lines]
        command = run_here("jobs", "log", str(job.id))

        assert "sound" in texts
        assert followed == texts
        assert "sound" in page.text
        assert (page.status_code, command.exit_code) == (200, 0)
        assert command.output.replace("\n", "").isprintable()


class TestPlantedFigures:
    def test_are_left_out_where_they_are_none(self, app, beside):
        plant_stats(beside["stats"])

        figures = read_all(app)["stats"][0].total()

        assert 0 < figures.run.seconds < 10_000
        assert printed(app) <= {0, 1}
        assert shown(app) == {200}


class TestAListWithPlantedPlaces:
    @pytest.mark.parametrize("odd", [7.5, {"a": 1}, b"x", True, NOW, Int64(2**40)], ids=lambda odd: type(odd).__name__)
    @pytest.mark.parametrize("limit", [2, 3])
    def test_is_walked_through_though_an_odd_id_ends_a_page(self, app, odd, limit):
        sound = {app.store.insert(job) and job.id for job in [a_job(run_at=NOW) for _ in range(5)]} | {"sound"}
        app.store.collection.insert_one(to_document(a_job(run_at=NOW)) | {"_id": odd})

        seen = [job.id for page in pages(app, JobFilter(), limit=limit) for job in page]

        assert {job_id for job_id in seen if seen.count(job_id) == 1} >= sound

    @pytest.mark.parametrize("odd", ["yesterday", 7, None, {"a": 1}, True], ids=repr)
    def test_is_walked_through_though_an_odd_date_ends_a_page(self, app, odd):
        sound = [a_job(state="failed", finished_at=NOW) for _ in range(5)]
        for job in sound:
            app.store.insert(job)
        planted = to_document(a_job(state="failed")) | {"finished_at": odd}
        app.store.collection.insert_one(planted)

        seen = [job.id for page in pages(app, JobFilter(state="failed"), limit=2) for job in page]

        assert {job_id for job_id in seen if seen.count(job_id) == 1} >= {job.id for job in sound}


def pages(app, chosen, *, limit):
    """Yield the pages of a list, one after the other."""
    page = app.find(chosen, limit=limit)
    yield page
    while page.next is not None:
        page = app.find(chosen, limit=limit, after=page.next)
        yield page
