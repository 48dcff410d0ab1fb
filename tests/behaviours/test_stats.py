"""What workers did, as the app reports it."""

from datetime import UTC, datetime, timedelta
from signal import Signals

import pytest

import mongojobs
from mongojobs import OptionError
from tests.support import worker_jobs
from tests.support.clock import START
from tests.support.command_line import Process
from tests.support.sample_jobs import gate
from tests.support.unique_jobs import count, enqueues_itself, sync, sync_again
from tests.support.waiting import eventually
from tests.support.working import work_off, working

NAME = "tests.support.unique_jobs."


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure(retry_jitter=0)
    yield app
    mongojobs.configure()


@pytest.fixture
def start(tmp_path, mongo_uri):
    """Starts a worker as a process, and ends it with the test."""
    environ = {"SAMPLE_URI": mongo_uri, "MONGOJOBS_APP": "tests.support.sample_app"}
    process = Process("work", folder=tmp_path, environ=environ)
    yield process
    process.end()


class TestStats:
    def test_tell_how_runs_ended_for_each_name(self, app):
        worker_jobs.counts.delay_many([(1,), (2,), (3,)])
        worker_jobs.fails.options(max_attempts=1).delay(1)
        worker_jobs.fails.delay(1)

        work_off()

        by_name = app.stats().by_name()
        assert {name: {outcome: n for outcome, n in one.outcomes.items() if n} for name, one in by_name.items()} == {
            "tests.support.worker_jobs.counts": {"completed": 3},
            "tests.support.worker_jobs.fails": {"failed": 1, "retried": 1},
        }

    def test_tell_how_long_runs_took_and_jobs_waited(self, app):
        worker_jobs.stays.options(queue="slow", run_at=datetime.now(UTC) - timedelta(minutes=1)).delay("x", 0.2)

        work_off()

        figures = app.stats().by_queue()["slow"]
        assert 0.2 <= figures.run.percentile(95) < figures.wait.percentile(95)
        assert figures.wait.percentile(95) >= 60

    def test_tell_how_many_calls_were_merged_before_and_during_the_runs(self, app, recorder):
        count.delay_many([(1,), (1,), (2,)])
        enqueues_itself.delay(1)

        work_off()

        by_name = app.stats().by_name()
        assert {name: figures.merged for name, figures in by_name.items()} == {
            NAME + "count": 1,
            NAME + "enqueues_itself": 1,
        }

    def test_tell_of_each_merged_call_once_though_its_job_runs_again(self, app, recorder):
        sync_again.delay_many([(7,), (7,), (7,)])
        with working(threads=1):
            eventually(lambda: recorder.deeds)
            sync_again.delay(7)
            gate.set()
            eventually(lambda: len(recorder.deeds) == 2)

        assert app.stats().total().merged == 3

    def test_tell_of_calls_merged_into_a_job_that_gives_its_key_up_at_the_start(self, app):
        sync.options(debounce=0.01).delay_many([(7,), (7,), (7,)])

        eventually(lambda: work_off() == (1, 0))

        assert app.stats().total().merged == 2

    @pytest.mark.parametrize("by", ["minute", "hour", "day"])
    def test_are_the_same_by_minute_hour_and_day(self, app, by):
        worker_jobs.counts.delay(1)

        work_off()

        assert app.stats(by=by).total().runs == 1

    def test_can_be_of_one_name_alone_and_of_all_together(self, app):
        worker_jobs.counts.delay_many([(1,), (2,)])
        worker_jobs.fails.delay(1)

        work_off()

        assert set(app.stats(name="tests.support.worker_jobs.counts").by_name()) == {"tests.support.worker_jobs.counts"}
        [together] = app.stats(by="hour", apart=False).rows
        assert (together.figures.outcomes["completed"], together.figures.outcomes["retried"]) == (2, 1)

    def test_add_up_what_one_worker_did_at_several_times(self, app):
        worker = mongojobs.Worker(app=app)
        for number in range(3):
            worker_jobs.counts.delay(number)
            worker.work_off()

        assert app.stats(by="hour").total().runs == 3

    def test_are_stored_when_a_worker_stops(self, app):
        worker_jobs.counts.delay_many([(number,) for number in range(1000)])

        with working():
            eventually(lambda: app.store.collection.estimated_document_count() == 0)

        assert app.stats().total().runs == 1000

    def test_are_stored_when_a_process_is_terminated(self, app, start, tmp_path):
        with app.active():
            from tests.support.sample_app import append_after

            append_after.delay(str(tmp_path / "ledger"), "job", 0.5)
        eventually((tmp_path / "ledger").exists)

        start.send(Signals.SIGTERM)

        assert start.wait() == 0
        assert app.stats().total().outcomes["completed"] == 1

    def test_are_not_collected_if_they_are_not_to_be_kept(self, connection):
        app = mongojobs.configure(stats_retention=0)
        worker_jobs.counts.delay(1)

        work_off()

        assert app.stats().rows == ()
        assert "delayed_jobs_stats" not in app.store.collection.database.list_collection_names()

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            ({"since": START.replace(tzinfo=None)}, "must carry its zone"),
            ({"until": 5}, "must be a datetime with a zone, got 5"),
            ({"by": "week"}, "must be one of minute, hour, day, got 'week'"),
            ({"by": ["hour"]}, "must be one of minute, hour, day, got"),
            ({"since": START + timedelta(days=1), "until": START}, "since must not be later than until"),
            ({"apart": "no"}, "must be True or False, got 'no'"),
            ({"name": 5}, "must be the name of jobs, got 5"),
            ({"name": ""}, "must be the name of jobs, got ''"),
            ({"name": "mail", "apart": False}, "leave it out, or the name 'mail'"),
        ],
    )
    def test_refuse_what_they_cannot_tell(self, app, wanted, message):
        with pytest.raises(OptionError, match=message):
            app.stats(**wanted)

    def test_of_a_time_long_past_are_empty(self, app):
        since = app.store.clock.now() - timedelta(days=90)

        assert app.stats(since=since, until=since + timedelta(days=1), by="hour").total().runs == 0
