"""A pass over rows goes on where it was cut short, whatever cut it short; and leaves out the row that kills workers."""

import json
import threading

import pytest

import mongojobs
from mongojobs import testing
from mongojobs.core.notices import JobReleased
from tests.support import row_jobs
from tests.support.command_here import run_here
from tests.support.command_line import run
from tests.support.dashboard import Visitor
from tests.support.row_jobs import KINDS, ODD, done, gates, make_rows
from tests.support.waiting import eventually
from tests.support.worker_parts import Told
from tests.support.working import work_off, working

MORE_THAN_A_PAGE = 250


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure(retry_jitter=0)
    yield app
    mongojobs.configure()


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "ledger"
    path.touch()
    return path


@pytest.fixture
def in_processes(mongo_uri):
    """Works off what is due in child processes, with settings by their names."""

    def work(**settings):
        worker = ("-A", row_jobs.__name__, "work", "--executor=process", "--exit-on-complete")
        return run(*worker, environ={"SAMPLE_URI": mongo_uri, **settings})

    return work


def cursor_of(app, job):
    [cursor] = app.get(job.id).cursors
    return cursor


class TestEachRow:
    @pytest.mark.parametrize("kind", KINDS)
    def test_of_any_kind_is_done_once_in_the_order_of_its_key(self, app, ledger, kind):
        make_rows(MORE_THAN_A_PAGE)
        row_jobs.imports.delay(str(ledger), kind, MORE_THAN_A_PAGE)

        assert work_off() == (1, 0)

        assert done(ledger) == list(range(MORE_THAN_A_PAGE))

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_any_kind_is_done_once_though_the_job_fails_in_between(self, app, ledger, kind):
        make_rows(MORE_THAN_A_PAGE)
        job = row_jobs.imports.delay(str(ledger), kind, MORE_THAN_A_PAGE, fails_at=120)

        work_off()
        app.run_now(job.id)
        work_off()

        assert done(ledger) == list(range(MORE_THAN_A_PAGE))

    def test_is_done_on_the_event_loop_too(self, app, ledger):
        make_rows(120)
        row_jobs.imports_on_the_loop.delay(str(ledger), 120)

        assert work_off() == (1, 0)

        assert done(ledger) == list(range(120))

    def test_is_done_in_a_process_too(self, app, ledger, in_processes):
        make_rows(120)
        job = row_jobs.imports.delay(str(ledger), "query", 120, fails_at=110)

        in_processes()
        app.run_now(job.id)
        in_processes()

        assert done(ledger) == list(range(120))

    def test_of_several_passes_has_a_place_in_each(self, app, ledger):
        row_jobs.imports_twice.delay(str(ledger), 3)

        work_off()

        assert done(ledger) == [0, 1, 2, 100, 101, 102]

    def test_is_done_again_by_a_retry_from_the_start_only(self, app, ledger):
        job = row_jobs.imports.options(max_attempts=1).delay(str(ledger), "list", 3, fails_at=2)
        work_off()

        app.retry(job.id, from_start=True)
        work_off()

        assert done(ledger) == [0, 1, 0, 1]

    def test_counts_as_progress(self, app, ledger):
        job = row_jobs.imports.options(job_id="kept").delay(str(ledger), "list", 3)

        work_off()

        told = app.get(job.id).progress
        assert (told.done, told.of) == (3, 3)


class TestAStop:
    def test_ends_the_loop_after_the_present_row_and_counts_for_nothing(self, app, ledger):
        app.lifecycle.on_notice((told := Told()).notify)
        go_on = gates["go on"] = threading.Event()
        with working(max_releases=1) as shift:
            job = row_jobs.imports_until.delay(str(ledger), 5, "go on", 2)
            eventually(lambda: done(ledger) == [0, 1, 2])
            shift.worker.stop()
            go_on.set()

        found = app.get(job.id)
        assert (found.state, found.releases, found.attempts, cursor_of(app, job)["count"]) == ("ready", 0, 0, 3)
        assert len(told.of(JobReleased)) == 1

        work_off()
        assert done(ledger) == [0, 1, 2, 3, 4]

    @pytest.mark.usefixtures("unmeasured")
    def test_that_interrupts_a_row_has_it_done_again(self, app, ledger):
        gates["go on"] = threading.Event()
        with working() as shift:
            row_jobs.imports_until.delay(str(ledger), 5, "go on", 2)
            eventually(lambda: done(ledger) == [0, 1, 2])
            shift.end(now=True)
            gates["go on"].set()

        work_off()

        assert done(ledger) == [0, 1, 2, 2, 3, 4]

    def test_of_a_worker_with_processes_does_so_too(self, app, ledger, in_processes):
        make_rows(60)
        job = row_jobs.imports_slowly.delay(str(ledger), 0.1)
        stopping = threading.Thread(target=lambda: (eventually(lambda: done(ledger)), app.stop_workers()))
        stopping.start()

        in_processes(MONGOJOBS_HEARTBEAT="0.2", MONGOJOBS_LEASE="30")
        stopping.join()
        count = cursor_of(app, job)["count"]
        in_processes()

        assert 0 < count < 60
        assert done(ledger) == list(range(60))


class TestALostWorker:
    def test_has_no_more_rows_done_by_it(self, app, ledger):
        go_on = gates["go on"] = threading.Event()
        with working(heartbeat=0.1, lease=1):
            job = row_jobs.imports_until.delay(str(ledger), 5, "go on", 2)
            eventually(lambda: app.get(job.id).cursors and done(ledger) == [0, 1, 2])
            app.store.collection.update_one({"_id": job.id}, {"$set": {"lock_token": "another's"}})
            threading.Event().wait(0.5)
            go_on.set()
            threading.Event().wait(0.5)

        assert done(ledger) == [0, 1, 2]
        assert cursor_of(app, job).get("count", 0) <= 2


class TestAPoisonousRow:
    def test_is_left_out_and_named_and_all_others_are_done(self, app, ledger, in_processes):
        make_rows(8)
        job = row_jobs.imports_poison.options(job_id="kept").delay(str(ledger), [5])

        log = in_processes(MONGOJOBS_MAX_LOSSES="4").stdout
        app.store.collection.update_many({"state": "ready"}, {"$set": {"run_at": job.run_at}})
        log += in_processes(MONGOJOBS_MAX_LOSSES="4").stdout

        found = app.get(job.id)
        assert (found.state, found.attempts) == ("completed", 0)
        assert sorted({*done(ledger)}) == [0, 1, 2, 3, 4, 6, 7]
        assert "LEAVES OUT the row 5 of Row: 3 workers died at it" in log
        assert [(one["row"], one["deaths"]) for one in cursor_of(app, job)["aside"]] == [("5", 3)]


@pytest.fixture
def with_a_row_aside(app):
    """A failed job that has left out a row."""
    job = row_jobs.imports.delay("/nowhere", "list", 3)
    aside = {"key": 5, "row": "5<b>", "at": job.run_at, "deaths": 3}
    change = {"cursors": [{"name": "Row", "key": 5, "count": 5, "aside": [aside]}], "state": "failed"}
    app.store.collection.update_one({"_id": job.id}, {"$set": change})
    return job


class TestItIsShown:
    def test_by_the_command(self, with_a_row_aside):
        ended = run_here("jobs", "show", str(with_a_row_aside.id), MONGOJOBS_APP=row_jobs.__name__)

        assert "Rows left out, since workers died at them\n  5<b> of Row, " in ended.output
        assert "after 3 deaths" in ended.output

    def test_as_json(self, with_a_row_aside):
        ended = run_here("jobs", "show", str(with_a_row_aside.id), "--json", MONGOJOBS_APP=row_jobs.__name__)

        assert json.loads(ended.stdout)["cursors"][0]["aside"][0]["row"] == "5<b>"

    def test_by_the_dashboard(self, app, with_a_row_aside):
        page = Visitor(app).text(f"/job?id={with_a_row_aside.id}")

        assert "<bdi>5&lt;b&gt;</bdi>" in page

    def test_by_why(self, app, with_a_row_aside):
        app.store.collection.update_one({"_id": with_a_row_aside.id}, {"$set": {"state": "running"}})

        assert "left out 1 row at which workers died, such as 5<b>" in app.why(with_a_row_aside.id)[0].text


ODD_ROWS = {
    "a generator": ((number for number in [1]), {}, "each() goes through a MongoEngine query, a PyMongo collection"),
    "a text": ("abc", {}, "each() goes through a MongoEngine query"),
    "a part": (lambda: row_jobs.Row.objects[:3], {}, "leave out its limit and skip"),
    "a part of find": (lambda: row_jobs.collection().find().limit(3), {}, "leave out its limit and skip"),
    "no name": ([1], {"name": ""}, "the name of rows must be a printable text of 1 to 256 characters, got ''"),
    "no number": ([1], {"skip_after": 0}, "skip_after must be a whole number of 1 or more, or None, got 0"),
    "no amount": ([1], {"of": -1}, "of must be a number from 0 to 2**53, got -1"),
    "twins": ([{"a": 1}, {"a": 1}], {"key": "a"}, "two rows have the key 1: name a key that is unique"),
    "gaps": ([{"a": 1}, {}], {"key": "b"}, "key='b' is missing in a row: name a key that all rows have"),
    "a mix": ([{"a": 1}, {"a": "x"}], {"key": "a"}, "rows cannot be sorted by key='a'"),
    "no unique field": (lambda: row_jobs.Row.objects, {"key": "word"}, "two rows have the key 'same'"),
    "a mix of ids": (
        row_jobs.collection,
        {},
        "the keys '_id' of row are of several kinds, such as 1 and 'a'",
    ),
}


class TestRowsThatCannotBeGoneThrough:
    @pytest.mark.parametrize("name", ODD_ROWS)
    def test_are_refused_by_name(self, app, name):
        rows, options, message = ODD_ROWS[name]
        row_jobs.collection().delete_many({})
        row_jobs.collection().insert_many([{"_id": 1, "word": "same"}, {"_id": 2, "word": "same"}])
        row_jobs.collection().insert_one({"_id": "a"} if name == "a mix of ids" else {"_id": 3, "word": "x"})
        ODD["odd"] = rows() if callable(rows) else rows

        with testing.mode("inline"), pytest.raises(mongojobs.ProgressError) as raised:
            row_jobs.goes_through.delay("odd", list(options.items()))

        assert message in str(raised.value)


class TestInTests:
    def test_of_an_app_rows_are_kept_in_memory(self, ledger):
        mongojobs.configure()
        with testing.mode("fake") as jobs:
            job = row_jobs.imports.delay(str(ledger), "list", 5, fails_at=3)
            testing.drain(raises=False)

            assert jobs.get(job.id).cursors[0]["count"] == 3

    def test_in_inline_mode_they_are_gone_through(self, ledger):
        mongojobs.configure()
        with testing.mode("inline"):
            row_jobs.imports.delay(str(ledger), "list", 5)

        assert done(ledger) == [0, 1, 2, 3, 4]
