"""`mongojobs schedules`: each command does what the app's method does, and says so."""

import json
from datetime import timedelta

import pytest
from pymongo.errors import OperationFailure

from mongojobs import every
from mongojobs.schedules.store import ScheduleStore
from tests.support.clock import START
from tests.support.command_here import run_here
from tests.support.sample_app import append, say_process
from tests.support.schedules import code, ids, tick, ticks

APPEND = "tests.support.sample_app.append"
ARGUMENTS = ("--args", '["x", "y"]')


@pytest.fixture
def app(configure, indexes):
    app = configure()
    with code():
        yield app


@pytest.fixture
def reports(app):
    run("add", "reports", APPEND, "15m", *ARGUMENTS)
    return app.schedule_of("reports")


def run(*words):
    """Run a command that succeeds, and return what it printed."""
    done = run_here("-I", "tests.support.sample_app", "schedules", *words)
    assert (done.exit_code, done.exception) == (0, None), done.output
    return done.output


def refused(*words):
    done = run_here("-I", "tests.support.sample_app", "schedules", *words)
    assert done.exit_code in (1, 2)
    return done.output


class TestAdding:
    def test_says_when_it_is_due(self, app):
        said = run("add", "reports", APPEND, "weekday at 9:00", *ARGUMENTS, "--tz", "Europe/Athens", "--queue", "slow")

        assert said == (
            "Added reports: At 09:00 on Monday through Friday, in Europe/Athens, due at 2030-01-02T07:00:00.000Z.\n"
        )

    def test_stores_what_is_said(self, app, clock):
        run("add", "reports", APPEND, "15m", *ARGUMENTS, "--queue", "slow", "--overlap", "allow", "--window", "2h")
        clock.advance(minutes=15)
        tick(app)

        [job] = app.find().jobs
        said = app.schedule_of("reports").get().said

        assert (job.queue, said.overlap, said.window) == ("slow", "allow", timedelta(hours=2))

    def test_notes_what_may_surprise(self, app):
        said = run("add", "reports", APPEND, "*/30 3 * * *", *ARGUMENTS, "--tz", "Europe/Athens")

        assert "Note: it is not due on 2030-03-31, when the clocks of Europe/Athens are set forward" in said

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("add", "a", APPEND, "soon", *ARGUMENTS), "'soon' is not a schedule"),
            (("add", "a", "no.job", "15m"), "no job is registered under the name 'no.job'"),
            (("add", "a", APPEND, "15m"), "missing a required argument"),
            (("add", "a", APPEND, "15m", *ARGUMENTS, "--tz", "Mars"), "tz must be the name of a time zone"),
            (("pause", "none"), "no schedule is called 'none': `mongojobs schedules list` shows them"),
            (("show", "none"), "no schedule is called 'none'"),
            (("remove", "none", "--yes"), "no schedule is called 'none'"),
        ],
    )
    def test_and_all_else_is_refused_with_the_reason(self, app, words, told):
        assert told in refused(*words)


class TestLooking:
    def test_lists_none(self, app):
        assert run("list").startswith("There are no schedules.")

    def test_lists_each_with_its_last_ticks(self, app, clock, reports):
        reports.run_now()
        clock.advance(minutes=15)
        tick(app)

        [_, line] = run("list").splitlines()

        assert line.split()[:2] == ["reports", "due"]
        assert "HS" in line.split()

    def test_shows_one_with_its_next_times_and_ledger(self, app, clock, reports):
        reports.pause("audit", by="olga")
        clock.advance(minutes=3)
        reports.resume()
        reports.run_now(by="olga")

        shown = run("show", "reports")

        assert "when:         Every 15 minutes (15m), in UTC" in shown
        assert "Tue 2030-01-01 12:15:00 +0000  12:15:00" in shown
        assert "2030-01-01T12:03:00.000Z  by hand  ready  olga" in shown


class TestChanging:
    def test_edits(self, app, reports):
        assert run("edit", "reports", "--when", "1h") == "Changed reports, due at 2030-01-01T13:00:00.000Z.\n"
        assert reports.get().said.due.text == "1h"

    def test_edits_what_its_job_is_called_with(self, app, clock, reports):
        run("edit", "reports", "--args", '["x", "z"]')
        clock.advance(minutes=15)
        tick(app)

        assert app.find().jobs[0].handler["args"] == ["x", "z"]

    def test_takes_an_option_back(self, app, reports):
        run("edit", "reports", "--ends", "2030-01-02T00:00Z", "--tag", "x", "--queue", "slow")
        run("edit", "reports", "--without", "ends", "--without", "tag")

        assert reports.get().said.ends is None
        assert reports.get().options == {"queue": "slow"}

    def test_does_not_give_and_take_back_an_option(self, app, reports):
        assert "give --ends or --without ends, not both" in refused(
            "edit", "reports", "--ends", "2030-01-02T00:00Z", "--without", "ends"
        )

    def test_pauses_and_resumes(self, app, reports):
        paused = run("pause", "reports", "--for", "1h", "--why", "audit")
        resumed = run("resume", "reports")

        assert paused == "Paused reports until 2030-01-01T13:00:00.000Z.\n"
        assert resumed == "Resumed reports, due at 2030-01-01T12:15:00.000Z.\n"

    def test_runs_now(self, app, reports):
        assert run("run", "reports") == "Enqueued schedule:reports:2030-01-01T12:00:00Z.\n"
        assert len(ids(app)) == 1

    def test_finds_and_shows_the_jobs(self, app, reports):
        made = reports.run_now()
        app.schedule("others", append, every="1h", args=("x", "y")).run_now()

        listed = run_here("jobs", "list", "--schedule", "reports").output
        shown = run_here("jobs", "show", made.id).output

        assert (made.id in listed, "schedule:others" in listed) == (True, False)
        assert "schedule     reports, for 2030-01-01T12:00:00.000Z" in shown

    def test_asks_before_a_backfill(self, app, reports):
        times = ("--since", "2030-01-01T10:00Z", "--until", "2030-01-01T11:00Z")

        asked = refused("backfill", "reports", *times)
        run("backfill", "reports", *times, "--yes")

        assert "Enqueue 4 jobs of reports?" in asked
        assert len(ids(app)) == 4

    def test_removes(self, app, reports):
        run("remove", "reports", "--yes")

        assert app.schedules() == []


class TestTheStatus:
    def test_says_how_many_there_are_and_which_is_next(self, app, clock, reports):
        app.schedule("hourly", append, every="1h", args=("x", "y"))
        app.schedule("daily", append, every="1d", args=("x", "y")).pause()
        with code((say_process, every("1h", name="lost", args=("x",)))):
            ticks(app)
        clock.advance(minutes=20)

        assert run_here("status").output.splitlines()[-1] == (
            "Schedules: 4, 1 late, 1 paused, 1 orphaned, next hourly in 40m"
        )

    def test_says_it_to_programs(self, app, reports):
        shown = json.loads(run_here("status", "--json").stdout)["schedules"]

        assert shown == {
            "total": 1,
            "late": 0,
            "paused": 0,
            "orphaned": 0,
            "next": "reports",
            "next_run_at": "2030-01-01T12:15:00.000Z",
        }

    def test_says_nothing_where_there_are_none(self, app):
        assert "chedule" not in run_here("status").output
        assert json.loads(run_here("status", "--json").stdout)["schedules"] is None

    def test_says_nothing_where_they_may_not_be_read(self, app, reports, monkeypatch):
        def refuse(_store, **_options):
            raise OperationFailure("not authorized", 13)

        monkeypatch.setattr(ScheduleStore, "all", refuse)

        assert run_here("status").exit_code == 0


class TestChecking:
    def test_fails_when_a_schedule_is_overdue_by_more_than_its_window(self, app, clock, reports):
        clock.advance(days=1, minutes=15)
        in_time = run_here("check", "--schedules")
        clock.advance(seconds=1)
        late = run_here("check", "--schedules")

        assert (in_time.exit_code, late.exit_code) == (0, 1)
        assert "The schedule reports is overdue by more than its window" in late.output

    def test_does_not_look_at_paused_ones(self, app, clock, reports):
        reports.pause()
        clock.advance(days=3)

        assert run_here("check", "--schedules").exit_code == 0


def test_an_orphan_is_shown_as_such(app):
    with code((say_process, every("1h", name="hourly", args=("x",)))):
        ticks(app)

    assert "orphaned" in run("list")
    assert "no living worker declares it" in run("show", "hourly")
    assert app.schedule_of("hourly").get().next_run_at > START
