"""Recurring jobs on a real server: each tick has its job, once, whatever happens to workers, clocks and deploys."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import MongoClient

import mongojobs
from mongojobs import (
    JobFilter,
    MongoJobs,
    NotAJobError,
    OptionError,
    QueueFullError,
    RegistrationError,
    ScheduleError,
    Settings,
    StoreUnavailableError,
    current_job,
    every,
    job,
)
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import ScheduleTicked, TicksDropped, Warned
from mongojobs.schedules.ticks import SETTLED, STALE, TickEnqueuer
from mongojobs.store import clients
from mongojobs.store.jobs import QueueSelector
from mongojobs.worker.outage import Outage
from mongojobs.worker.threads.ticker import IDLE_SECONDS, Ticker
from tests.support.cancelled_jobs import goes_on
from tests.support.clock import START
from tests.support.documents import Group
from tests.support.sample_jobs import recorder
from tests.support.schedules import code, heard, ids, ledger, moments, tick, ticks
from tests.support.spy import Spy
from tests.support.waiting import eventually
from tests.support.working import work_off, working

told: list[object] = []


@job
def note(*words: str) -> None:
    """Remember for which tick it ran."""
    now = current_job()
    told.append((*words, now.scheduled_for, now.schedule) if now else words)


@job
class Letter:
    """A job object."""

    def __init__(self, text: str = "hello") -> None:
        self.text = text

    def perform(self) -> None:
        told.append(self.text)


def undeclared() -> None:
    """A function that is not a job."""


@pytest.fixture(autouse=True)
def nothing_told():
    told.clear()


@pytest.fixture
def app(configure, indexes):
    app = configure()
    with code():
        yield app


def in_minutes(number):
    return START + timedelta(minutes=number)


class TestATick:
    def test_becomes_a_job_under_an_id_of_name_and_time(self, app, clock):
        app.schedule("report", note, every="15m")
        clock.advance(minutes=15)

        tick(app)

        assert ids(app) == ["schedule:report:2030-01-01T12:15:00Z"]

    def test_is_not_there_before_it_is_due(self, app, clock):
        app.schedule("report", note, every="15m")
        clock.advance(minutes=14, seconds=59)

        next_at = tick(app)

        assert (ids(app), next_at) == ([], in_minutes(15))

    def test_is_seen_by_its_job(self, app, clock):
        app.schedule("report", note, every="15m", args=("x",))
        clock.advance(minutes=16)
        tick(app)

        work_off()

        assert told == [("x", in_minutes(15), "report")]

    def test_takes_the_options_of_the_schedule(self, app, clock):
        app.schedule(
            "report", note, every="15m", queue="slow", priority=7, tags=["x"], meta={"a": 1}, max_run_time="1m"
        )
        clock.advance(minutes=15)
        tick(app)

        [found] = app.find().jobs

        assert (found.queue, found.priority, found.tags, found.meta) == ("slow", 7, ("x",), {"a": 1})
        assert found.max_run_time == timedelta(minutes=1)

    def test_of_a_cron_expression_is_due_in_its_zone(self, app, clock):
        app.schedule("report", note, cron="0 16 * * *", tz="Europe/Athens")
        clock.advance(hours=2)

        tick(app)

        assert moments(app) == ["14:00"]

    def test_is_ticked_once_by_many_workers(self, app, clock):
        app.schedule("report", note, every="15m")
        workers = [ticks(app, worker=f"w{number}") for number in range(5)]
        clock.advance(minutes=15)

        for worker in workers:
            worker.tick()

        assert (len(ids(app)), ledger(app, "report")) == (1, [("01 12:15", "enqueued", 1)])

    def test_is_noted_once_by_workers_that_have_read_it_at_the_same_moment(self, app, clock, monkeypatch):
        app.schedule("report", note, every="15m")
        workers = [ticks(app, worker=f"w{number}") for number in range(3)]
        clock.advance(minutes=15)
        seen = workers[0].store.due((), now=clock.now(), limit=1)

        for worker in workers:
            reads = iter([seen, []])
            monkeypatch.setattr(worker.store, "due", lambda *_, reads=reads, **__: next(reads))
            worker.tick()

        assert (len(ids(app)), ledger(app, "report")) == (1, [("01 12:15", "enqueued", 1)])

    def test_waits_up_to_the_jitter_the_same_on_each_worker(self, app, clock):
        for name in ("a", "b", "c"):
            app.schedule(name, note, every="15m", jitter="10m")
        clock.advance(minutes=15)
        tick(app)

        waits = [found.run_at - in_minutes(15) for found in app.find().jobs]

        assert len(set(waits)) == 3
        assert all(timedelta(0) <= wait < timedelta(minutes=10) for wait in waits)

    def test_is_reported_to_plugins_with_its_lateness(self, app, clock):
        app.schedule("report", note, every="15m")
        notices = heard(app, ScheduleTicked)
        clock.advance(minutes=15, seconds=3)

        tick(app)

        assert notices == [ScheduleTicked("ada", "report", in_minutes(15), 3.0)]

    def test_fires_the_enqueue_event_as_any_enqueue(self, app, clock):
        seen = []
        app.lifecycle.before("enqueue", seen.append)
        app.schedule("report", note, every="15m")
        clock.advance(minutes=15)

        tick(app)

        assert [one.schedule for one in seen] == ["report"]


class TestAJobThatComesBack:
    def test_may_be_a_method_of_a_document(self, app, clock):
        group = Group(name="sales").save()
        app.schedule("rename", group.rename, every="15m", args=("support",))
        clock.advance(minutes=15)
        tick(app)

        work_off()

        assert Group.objects.get().name == "support"

    def test_may_be_a_job_object(self, app, clock):
        app.schedule("letter", Letter("good morning"), every="15m")
        clock.advance(minutes=15)
        tick(app)

        work_off()

        assert told == ["good morning"]

    def test_may_be_a_class_with_every(self, app, clock):
        with code((Letter, every("15m", name="letter", args=("from code",)))):
            ticks(app)
            clock.advance(minutes=15)
            tick(app)

        work_off()

        assert told == ["from code"]

    def test_that_is_none_is_refused(self, app):
        with pytest.raises(NotAJobError):
            app.schedule("report", undeclared, every="15m")

    def test_with_options_of_its_own_is_refused(self, app):
        with pytest.raises(OptionError, match="a schedule takes the options itself"):
            app.schedule("report", note.options(queue="slow"), every="15m")

    def test_gets_its_arguments_checked(self, app):
        with pytest.raises(mongojobs.ArgumentsError):
            app.schedule("letter", note, every="15m", kwargs={"unknown": 1})


class TestWhatIsSaid:
    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ({}, "give either cron, such as .* or every"),
            ({"cron": "* * * * *", "every": "1m"}, "got cron='\\* \\* \\* \\* \\*' and every='1m'"),
            ({"every": "1m", "overlap": "wait"}, "overlap must be one of skip, allow, queue, cancel, got 'wait'"),
            ({"every": "1m", "overlap": "queue", "catch_up": "none"}, "leave one of them out"),
            ({"every": "1m", "catch_up": "some"}, "catch_up must be one of latest, none, all, got 'some'"),
            ({"every": "1m", "window": 0}, "window must be more than 0, got 0"),
            ({"every": "1m", "times": 0}, "times must be a whole number of 1 or more"),
            ({"every": "1m", "starts": START, "ends": START}, "ends must be later than starts"),
            ({"every": "1m", "tz": "Mars"}, "tz must be the name of a time zone"),
        ],
    )
    def test_is_refused_with_the_value(self, app, said, told):
        with pytest.raises(ScheduleError, match=told):
            app.schedule("report", note, **said)

    @pytest.mark.parametrize("option", [{"run_at": START}, {"run_in": 5}, {"job_id": "x"}])
    def test_does_not_include_what_a_tick_decides(self, app, option):
        with pytest.raises(OptionError, match="each of its ticks has its own"):
            app.schedule("report", note, every="1m", **option)

    @pytest.mark.parametrize("name", ["", " report", "a\nb", "x" * 201, 5])
    def test_includes_a_name_that_can_be_one(self, app, name):
        with pytest.raises(ScheduleError, match="the name of a schedule must be a printable text of 1 to 200"):
            app.schedule(name, note, every="1m")

    def test_ends_it_after_some_times(self, app, clock):
        app.schedule("report", note, every="15m", times=2, overlap="allow")

        for _ in range(4):
            clock.advance(minutes=15)
            tick(app)

        assert moments(app) == ["12:15", "12:30"]
        assert app.schedule_of("report").get().next_run_at is None

    def test_does_not_count_a_tick_that_could_not_be_enqueued(self, app, clock):
        held = note.options(unique_key="one").delay()
        app.schedule("report", note, every="15m", times=1, unique_key="one")
        clock.advance(minutes=15)
        tick(app)
        app.cancel(held.id)
        clock.advance(minutes=15)
        tick(app)

        assert ledger(app, "report") == [("01 12:15", "skipped", 1), ("01 12:30", "enqueued", 1)]
        assert app.schedule_of("report").get().next_run_at is None

    def test_ends_it_after_some_times_however_many_are_caught_up_one_after_the_other(self, app, clock):
        app.schedule("report", note, every="15m", times=1, overlap="queue", catch_up="all")
        clock.advance(hours=1)
        tick(app)
        work_off()

        tick(app)

        assert moments(app) == ["12:15"]

    def test_bounds_when_it_is_due(self, app, clock):
        app.schedule(
            "report", note, every="15m", starts=in_minutes(30), ends=in_minutes(45), catch_up="all", overlap="allow"
        )
        clock.advance(hours=2)

        tick(app)

        assert moments(app) == ["12:30", "12:45"]


class TestOverlap:
    def test_skips_a_tick_while_the_job_of_an_earlier_one_waits(self, app, clock):
        app.schedule("report", note, every="15m")
        notices = heard(app, TicksDropped)

        for _ in range(3):
            clock.advance(minutes=15)
            tick(app)

        assert moments(app) == ["12:15"]
        assert ledger(app, "report") == [
            ("01 12:15", "enqueued", 1),
            ("01 12:30", "skipped", 1),
            ("01 12:45", "skipped", 1),
        ]
        assert notices[0].why == "the job schedule:report:2030-01-01T12:15:00Z is still ready"

    def test_ticks_again_once_the_job_has_ended(self, app, clock):
        app.schedule("report", note, every="15m")
        for _ in range(2):
            clock.advance(minutes=15)
            tick(app)
        work_off()
        clock.advance(minutes=15)

        tick(app)

        assert moments(app) == ["12:15", "12:45"]

    def test_allows_jobs_beside_each_other(self, app, clock):
        app.schedule("report", note, every="15m", overlap="allow")

        for _ in range(3):
            clock.advance(minutes=15)
            tick(app)

        assert moments(app) == ["12:15", "12:30", "12:45"]

    def test_queues_one_tick_that_waits_for_the_job_to_end(self, app, clock):
        app.schedule("report", note, every="15m", overlap="queue")
        for _ in range(4):
            clock.advance(minutes=15)
            tick(app)
        waiting = moments(app)
        work_off()

        tick(app)

        assert (waiting, moments(app)) == (["12:15"], ["12:15", "13:00"])

    def test_cancels_the_job_of_an_earlier_tick_that_waits(self, app, clock):
        app.schedule("report", note, every="15m", overlap="cancel")
        for _ in range(2):
            clock.advance(minutes=15)
            tick(app)

        earlier = app.get("schedule:report:2030-01-01T12:15:00Z")
        assert (earlier.state, earlier.cancellation["by"], earlier.cancellation["why"]) == (
            *("cancelled", "the schedule report"),
            "its next tick is due",
        )
        assert app.get("schedule:report:2030-01-01T12:30:00Z").state == "ready"
        assert [result for _, result, _ in ledger(app, "report")] == ["enqueued", "enqueued"]

    def test_cancels_the_job_of_an_earlier_tick_that_runs_and_waits_until_it_has_ended(self, configure, app, clock):
        app.schedule("report", goes_on, every="15m", overlap="cancel")
        clock.advance(minutes=15)
        tick(app)
        with working(lease=3600, heartbeat=0.1):
            eventually(lambda: "began" in recorder.deeds)
            clock.advance(minutes=15)
            tick(app)
            at_once = moments(app)
            eventually(lambda: app.get("schedule:report:2030-01-01T12:15:00Z").state == "cancelled")

        tick(app)

        assert (at_once, moments(app)) == (["12:15"], ["12:15", "12:30"])
        assert recorder.deeds == ["began", "cleaned up"]

    def test_asks_a_job_to_end_but_once(self, app, clock):
        app.schedule("report", note, every="15m", overlap="cancel")
        clock.advance(minutes=15)
        tick(app)
        app.store.reserve(QueueSelector(), token="t", by="w", lease=timedelta(hours=9))
        clock.advance(minutes=15)
        tick(app)
        [asked] = app.find(JobFilter(state="running"))
        clock.advance(minutes=1)

        tick(app)

        assert app.get(asked.id).cancellation["at"] == asked.cancellation["at"] == in_minutes(30)

    def test_cancels_no_job_for_a_tick_that_is_missed(self, app, clock):
        app.schedule("report", note, every="15m", overlap="cancel", catch_up="none")
        clock.advance(minutes=15)
        tick(app)
        clock.advance(minutes=17)

        tick(app)

        assert app.get("schedule:report:2030-01-01T12:15:00Z").state == "ready"

    def test_counts_a_job_that_another_worker_may_still_enqueue(self, app, clock):
        app.schedule("report", note, every="1s")
        clock.advance(seconds=1)
        tick(app)
        work_off()
        clock.advance(seconds=1)
        tick(app)

        unfinished = app.schedule_of("report").get().unfinished

        assert unfinished == ("schedule:report:2030-01-01T12:00:01Z", "schedule:report:2030-01-01T12:00:02Z")

    def test_forgets_jobs_that_have_ended_after_a_while(self, app, clock):
        app.schedule("report", note, every="15m")
        clock.advance(minutes=15)
        tick(app)
        work_off()
        clock.advance(minutes=15)
        assert timedelta(minutes=15) > SETTLED

        tick(app)

        assert app.schedule_of("report").get().unfinished == ("schedule:report:2030-01-01T12:30:00Z",)


class TestCatchingUp:
    """Workers were off for three days."""

    def test_runs_the_latest_once(self, app, clock):
        app.schedule("daily", note, cron="0 9 * * *")
        clock.advance(days=3)

        tick(app)

        assert ids(app) == ["schedule:daily:2030-01-04T09:00:00Z"]
        assert ledger(app, "daily") == [("02 09:00", "missed", 2), ("04 09:00", "enqueued", 1)]

    def test_runs_none(self, app, clock):
        app.schedule("daily", note, cron="0 9 * * *", catch_up="none")
        clock.advance(days=3)

        next_at = tick(app)

        assert (ids(app), ledger(app, "daily")) == ([], [("02 09:00", "missed", 3)])
        assert next_at == datetime(2030, 1, 5, 9, tzinfo=UTC)

    def test_runs_none_only_when_it_is_late(self, app, clock):
        app.schedule("daily", note, cron="0 13 * * *", catch_up="none")
        clock.advance(hours=1, seconds=59)

        tick(app)

        assert moments(app) == ["13:00"]

    def test_runs_all_up_to_a_hundred_and_says_how_many_were_dropped(self, app, clock):
        app.schedule("minutely", note, every="1m", catch_up="all")
        notices = heard(app, TicksDropped)
        clock.advance(days=3)

        tick(app)

        assert len(ids(app)) == 100
        assert [(notice.result, notice.number) for notice in notices] == [("missed", 3 * 24 * 60 - 100)]
        assert app.schedule_of("minutely").get().totals == {"missed": 3 * 24 * 60 - 100, "enqueued": 100}

    def test_runs_the_last_ones_the_oldest_first(self, app, clock):
        app.schedule("hourly", note, every="1h", catch_up="all", window="3h")
        clock.advance(days=1)

        tick(app)

        assert moments(app) == ["09:00", "10:00", "11:00", "12:00"]

    def test_runs_none_from_before_the_window(self, app, clock):
        app.schedule("daily", note, cron="0 9 * * *", window="2h")
        clock.advance(days=1)

        tick(app)

        assert (ids(app), ledger(app, "daily")) == ([], [("02 09:00", "missed", 1)])


class TestACrash:
    """A worker died between the insert of a job and the advance of its schedule."""

    @pytest.fixture
    def crashed(self, app, clock):
        app.schedule("report", note, every="15m")
        clock.advance(minutes=15)
        TickEnqueuer(app.enqueuer, app.payloads).enqueue(app.schedule_of("report").get(), in_minutes(15))
        return app

    def test_leaves_the_tick_to_the_next_worker(self, crashed):
        tick(crashed)

        assert (moments(crashed), ledger(crashed, "report")) == (["12:15"], [("01 12:15", "enqueued", 1)])

    def test_makes_no_second_job_after_the_first_has_completed(self, crashed, clock):
        work_off()

        tick(crashed)

        assert work_off() == (0, 0)
        assert len(told) == 1

    def test_before_the_insert_loses_no_tick(self, app, clock, monkeypatch):
        app.schedule("report", note, every="15m")
        clock.advance(minutes=15)
        monkeypatch.setattr(TickEnqueuer, "enqueue", dies)
        with pytest.raises(SystemExit):
            tick(app)
        monkeypatch.undo()

        tick(app)

        assert moments(app) == ["12:15"]

    def test_of_days_keeps_the_job_as_long_as_the_tick_may_come_again(self, app, clock):
        app.schedule("daily", note, cron="0 13 * * *")
        app.schedule("quick", note, every="1s", times=1)
        clock.advance(hours=1)
        tick(app)
        work_off()

        kept = {found["_id"].split(":")[1]: found["expire_at"] - START for found in app.store.collection.find()}

        assert kept == {"daily": timedelta(days=1, hours=1), "quick": timedelta(hours=1, minutes=10)}


def dies(*_arguments, **_options):
    raise SystemExit


class TestAWorkerThatWasAsleep:
    def test_reads_a_schedule_again_before_it_enqueues(self, app, clock, monkeypatch):
        app.schedule("report", note, every="15m")
        clock.advance(minutes=15)
        slow = ticks(app, worker="slow")
        read = slow.store.due(slow.declared, now=clock.now(), limit=1)
        tick(app)
        work_off()
        app.store.collection.delete_many({})  # as the server does it, long after the end

        def sleep(*_wanted, **_options):
            clock.advance(seconds=STALE.total_seconds() + 1)
            return [read.pop()] if read else []

        monkeypatch.setattr(slow.store, "due", sleep)

        slow.tick()

        assert ids(app) == []


class TestCode:
    def test_declares_schedules_that_a_worker_stores(self, app):
        with code((note, every("0 9 * * *", tz="Europe/Athens", name="morning"))):
            ticks(app)

        [found] = app.schedules()

        assert (found.name, found.source, found.said.tz.key) == ("morning", "code", "Europe/Athens")

    def test_names_a_schedule_after_its_job(self):
        with code((note, every("1h"))) as declared:
            assert [one.name for one in declared.all()] == [f"{__name__}.note"]

    def test_may_put_every_above_or_below_job(self):
        with code() as declared:

            @every("1h", name="above")
            @job(name="tests.above")
            @every("2h", name="below")
            def both() -> None: ...

            assert [one.name for one in declared.all()] == ["above", "below"]
            assert both.declaration.name == "tests.above"

    def test_with_two_schedules_of_one_name_is_refused(self):
        with code((note, every("1h"))), pytest.raises(RegistrationError, match="give each of them a name="):
            every("2h")(note)

    def test_without_job_is_refused_at_the_start(self, app):
        with code((undeclared, every("1h"))), pytest.raises(RegistrationError, match="has @every but no @job"):
            ticks(app)

    def test_that_says_the_same_leaves_what_was_missed(self, app, clock):
        with code((note, every("1h", name="hourly"))):
            ticks(app)
            clock.advance(hours=1, minutes=30)
            tick(app)

        assert moments(app) == ["13:00"]

    def test_that_no_worker_runs_any_more_does_not_tick(self, app, clock):
        with code((note, every("1h", name="hourly"))):
            ticks(app)
        clock.advance(hours=1)

        tick(app)

        assert ids(app) == []

    def test_of_the_worker_started_last_wins_and_stays(self, app, clock):
        with code((note, every("1h", name="hourly"))):
            old = ticks(app, worker="old")
        with code((note, every("30m", name="hourly"))):
            new = ticks(app, worker="new")
        clock.advance(minutes=30)

        old.tick()
        new.tick()

        assert moments(app) == ["12:30"]
        assert app.schedule_of("hourly").get().said.due.text == "30m"

    def test_keeps_an_operators_edit_until_it_says_something_else_itself(self, app):
        with code((note, every("1h", name="hourly", window="2h"))):
            ticks(app)
        app.schedule_of("hourly").edit("10m", by="olga")
        with code((note, every("1h", name="hourly", window="3h"))):
            ticks(app)
        kept = app.schedule_of("hourly").get()
        with code((note, every("2h", name="hourly", window="3h"))):
            ticks(app)

        assert (kept.said.due.text, kept.said.window, list(kept.edited)) == ("10m", timedelta(hours=3), ["due"])
        assert (app.schedule_of("hourly").get().said.due.text, app.schedule_of("hourly").get().edited) == ("2h", {})

    def test_keeps_an_operators_pause(self, app, clock):
        with code((note, every("1h", name="hourly"))):
            ticks(app)
            app.schedule_of("hourly").pause("audit", by="olga")
            clock.advance(hours=1)
            tick(app)

        assert (ids(app), app.schedule_of("hourly").get().pause.why) == ([], "audit")


class TestADamagedScheduleOfTheCode:
    DAMAGE = (
        {"spec": 5},
        {"spec.due": "soon"},
        {"spec.handler": "x"},
        {"next_run_at": "x"},
        {"paused": "x"},
        {"unfinished": [5]},
        {"ticks": "x"},
        {"totals.enqueued": "x"},
        {"edited": 5},
        {"code": 5},
        {"source": 5},
        {"revision": "x"},
    )

    @pytest.fixture
    def warnings(self, app):
        return heard(app, Warned)

    @pytest.fixture(autouse=True)
    def hourly(self, app):
        with code((note, every("1h", name="hourly", overlap="allow"))):
            ticks(app)
            yield app.schedule_of("hourly")

    def damage(self, app, damage):
        app.schedule_store.collection.update_one({"_id": "hourly"}, {"$set": damage})

    @pytest.mark.parametrize("damage", DAMAGE)
    def test_ticks_again_once_a_worker_has_started(self, app, clock, hourly, damage):
        clock.advance(hours=1)
        tick(app)
        self.damage(app, damage)
        ticks(app)
        clock.advance(hours=1)

        tick(app)

        assert moments(app) == ["13:00", "14:00"]
        assert hourly.get().problem == ""

    @pytest.mark.parametrize("damage", DAMAGE[:-3])
    def test_is_told_once(self, app, warnings, damage):
        self.damage(app, damage)

        ticks(app)
        ticks(app)

        [warning] = warnings
        assert warning.message.startswith("the schedule hourly was damaged (")
        assert warning.message.endswith("), and is repaired from the code")

    def test_keeps_ledger_and_pause(self, app, clock, hourly):
        clock.advance(hours=1)
        tick(app)
        hourly.pause("audit", by="olga")
        self.damage(app, {"spec": 5, "totals": 5})

        ticks(app)
        clock.advance(hours=1)
        tick(app)

        assert (moments(app), ledger(app, "hourly")) == (["13:00"], [("01 13:00", "enqueued", 1)])
        assert hourly.get().pause.why == "audit"

    def test_keeps_an_operators_edits_that_can_be_read(self, app, hourly):
        hourly.edit("30m", by="olga")
        self.damage(app, {"ticks": 5})

        ticks(app)

        assert hourly.get().said.due.text == "30m"

    def test_catches_up_what_fell_due_meanwhile_if_it_says_when(self, app, clock):
        self.damage(app, {"ticks": 5})
        clock.advance(hours=1, minutes=30)

        tick(app)

        assert moments(app) == ["13:00"]

    def test_is_shown_with_what_cannot_be_read(self, app):
        self.damage(app, {"totals": 5})

        [report] = app.schedule_reports("hourly")

        assert (report.state, report.notes) == ("damaged", ["its field totals cannot be read"])


class TestADamagedScheduleOfAnOperator:
    def test_is_told_once_and_not_touched_by_a_worker_that_starts(self, app, clock):
        warnings = heard(app, Warned)
        app.schedule("report", note, every="10m")
        app.schedule_store.collection.update_one({"_id": "report"}, {"$set": {"spec.due": "soon"}})
        damaged = app.schedule_store.collection.find_one({"_id": "report"})
        clock.advance(minutes=10)

        worker = ticks(app)
        worker.tick()
        worker.tick()

        [warning] = warnings
        assert warning.message.startswith("cannot tick the schedule report: the schedule 'report' is damaged: ")
        assert app.schedule_store.collection.find_one({"_id": "report"}) == damaged


class TestAnOperator:
    @pytest.fixture
    def report(self, app):
        return app.schedule("report", note, every="15m")

    def test_pauses_until_it_is_resumed_and_nothing_is_caught_up(self, app, clock, report):
        report.pause("audit", by="olga")
        clock.advance(hours=1, minutes=1)
        tick(app)
        report.resume()
        tick(app)
        clock.advance(minutes=15)

        tick(app)

        assert moments(app) == ["13:15"]

    def test_pauses_until_a_time(self, app, clock, report):
        report.pause("audit", until=in_minutes(40))
        clock.advance(minutes=35)
        tick(app)
        paused = ids(app)
        clock.advance(minutes=10)

        tick(app)

        assert (paused, moments(app), report.get().pause) == ([], ["12:45"], None)

    @pytest.mark.parametrize("until", [START, "tomorrow"])
    def test_pauses_until_a_time_that_makes_sense(self, report, until):
        with pytest.raises(ScheduleError, match="until"):
            report.pause("audit", until=until)

    def test_resumes_only_what_is_paused(self, report):
        with pytest.raises(ScheduleError, match="is not paused"):
            report.resume()

    def test_runs_it_now_whatever_waits(self, app, clock, report):
        clock.advance(minutes=15)
        tick(app)
        clock.advance(minutes=1)

        found = report.run_now(by="olga")

        assert (found.scheduled_for, found.run_at) == (in_minutes(16), in_minutes(16))
        assert ledger(app, "report")[-1] == ("01 12:16", "by hand", 1)
        assert report.get().ticks[-1].by == "olga"

    def test_runs_it_now_so_that_no_tick_overlaps_it(self, app, clock, report):
        report.run_now()
        clock.advance(minutes=15)

        tick(app)

        assert ledger(app, "report") == [("01 12:00", "by hand", 1), ("01 12:15", "skipped", 1)]

    def test_backfills_a_time_once(self, app, clock, report):
        count = report.backfill_count(START - timedelta(hours=1), START)
        enqueued = [report.backfill(START - timedelta(hours=1), START, by="olga") for _ in range(2)]

        assert (count, enqueued, moments(app)) == (4, [4, 4], ["11:00", "11:15", "11:30", "11:45"])
        assert ledger(app, "report")[0] == ("01 11:00", "backfilled", 4)

    def test_backfills_no_endless_time(self, report):
        with pytest.raises(ScheduleError, match="at most 10,000 ticks"):
            report.backfill(START - timedelta(days=366), START)

    def test_counts_ticks_from_the_beginning_of_the_calendar(self, report):
        begin = datetime.min.replace(tzinfo=UTC)

        assert report.backfill_count(begin, begin + timedelta(hours=1)) == 3

    def test_backfills_forwards(self, report):
        with pytest.raises(ScheduleError, match="since must be earlier than until"):
            report.backfill(START, START)

    def test_changes_when_it_is_due(self, app, clock, report):
        report.edit("1h", queue="slow", tz="Europe/Athens", by="olga")
        clock.advance(hours=1)
        tick(app)

        [found] = app.find().jobs

        assert (found.scheduled_for, found.queue) == (in_minutes(60), "slow")
        assert report.get().edited["due"]["by"] == "olga"

    def test_takes_back_an_end_a_number_of_times_and_a_queue(self, app, clock, report):
        report.edit(ends=in_minutes(20), times=1, tz="Europe/Athens", queue="slow", overlap="allow")
        clock.advance(minutes=15)
        tick(app)
        over = report.get().next_run_at

        edited = report.edit(ends=None, times=None, tz=None, queue=None, by="olga")

        assert (over, edited.next_run_at) == (None, in_minutes(30))
        assert (edited.said.ends, edited.said.times, edited.said.tz.key) == (None, None, "UTC")
        assert (edited.said.overlap, dict(edited.options)) == ("allow", {})

    def test_changes_what_its_job_is_called_with(self, app, clock, report):
        report.edit(args=("new",))
        clock.advance(minutes=15)
        tick(app)

        work_off()

        assert told[0][0] == "new"

    def test_changes_what_a_method_is_called_with_and_what_an_object_is_made_of(self, app, clock):
        group = Group(name="sales").save()
        app.schedule("rename", group.rename, every="15m", args=("support",)).edit(args=("board",))
        app.schedule("letter", Letter("good morning"), every="15m").edit(kwargs={"text": "good evening"})
        clock.advance(minutes=15)
        tick(app)

        work_off()

        assert (Group.objects.get().name, told) == ("board", ["good evening"])

    @pytest.mark.parametrize(
        ("said", "error", "message"),
        [
            ({"kwargs": {"unknown": 1}}, mongojobs.ArgumentsError, "unknown"),
            ({"debounce": "5s", "unique_key": "one"}, OptionError, "cannot debounce"),
            ({"throttle": "1/10m"}, OptionError, "needs a key"),
            ({"unique": "unknown"}, OptionError, "unique names 'unknown'"),
            ({"colour": None}, OptionError, "unknown option 'colour'"),
            ({"run_at": None}, OptionError, "each of its ticks has its own"),
        ],
    )
    def test_changes_it_to_nothing_that_no_tick_could_enqueue(self, report, said, error, message):
        before = report.get()

        with pytest.raises(error, match=message):
            report.edit(**said)

        assert report.get() == before

    @pytest.mark.parametrize(
        ("said", "option"),
        [
            ({"when": "soon"}, "when"),
            ({"tz": "Mars"}, "tz"),
            ({"window": 0}, "window"),
            ({"ends": START, "starts": START}, "ends"),
            ({"priority": "high"}, "priority"),
        ],
    )
    def test_is_told_which_option_is_wrong(self, report, said, option):
        with pytest.raises((ScheduleError, OptionError)) as caught:
            report.edit(**said)

        assert caught.value.option == option

    def test_changes_something_or_nothing(self, report):
        with pytest.raises(OptionError, match="nothing to change in the schedule 'report'"):
            report.edit()

    def test_removes_it(self, app, report):
        report.remove()

        with pytest.raises(ScheduleError, match="no schedule is called 'report'"):
            report.get()

    def test_removes_none_that_a_living_worker_declares(self, connection):
        app = mongojobs.configure()
        with code((note, every("1h", name="hourly"))), working(name="ada"):
            eventually(lambda: app.declarers("hourly") == ["ada"])
            eventually(app.schedules)

            with pytest.raises(ScheduleError, match="the code of the worker ada declares it; pause it"):
                app.schedule_of("hourly").remove()

    def test_schedules_again_under_the_same_name_what_has_changed(self, app, clock, report):
        app.schedule("report", note, every="15m", args=("new",))
        clock.advance(minutes=15)
        tick(app)

        work_off()

        assert told[0][0] == "new"

    def test_changes_a_schedule_from_code_by_its_handle_only(self, app):
        with code((note, every("1h", name="hourly"))):
            ticks(app)

        with pytest.raises(ScheduleError, match=r"in code: change it with schedule_of\('hourly'\)"):
            app.schedule("hourly", note, every="1m")


class TestWhatCannotBeEnqueued:
    def test_as_its_unique_key_is_held_is_skipped_and_says_by_which_job(self, app, clock):
        held = note.options(unique_key="one").delay()
        app.schedule("report", note, every="15m", unique_key="one")
        clock.advance(minutes=15)

        tick(app)

        [entry] = app.schedule_of("report").get().ticks
        assert (entry.result, entry.why) == ("skipped", f"its unique key is held by the job {held.id}")

    def test_as_its_unique_key_is_held_is_said_to_who_runs_it_now(self, app):
        held = note.options(unique_key="one").delay()
        report = app.schedule("report", note, every="15m", unique_key="one")

        with pytest.raises(ScheduleError, match=f"'report': its unique key is held by the job {held.id}"):
            report.run_now()

        assert (ids(app), ledger(app, "report")) == ([held.id], [])

    def test_as_its_unique_key_is_held_is_said_to_who_backfills_it(self, app):
        report = app.schedule("report", note, every="15m", unique_key="one")

        with pytest.raises(
            ScheduleError, match="3 of 4 ticks were not enqueued; the first: its unique key is held by the job"
        ):
            report.backfill(START - timedelta(hours=1), START)

        assert (moments(app), ledger(app, "report")) == (["11:00"], [("01 11:00", "backfilled", 1)])

    @pytest.mark.parametrize(
        ("options", "wrong"),
        [
            ({"unique": True, "debounce": "5s"}, "the schedule 'report' cannot debounce"),
            ({"debounce": "5s"}, "needs a key"),
            ({"unique": "day"}, "unique names 'day'"),
        ],
    )
    def test_at_any_tick_is_refused_when_it_is_declared(self, app, options, wrong):
        with pytest.raises(OptionError, match=wrong):
            app.schedule("report", note, every="15m", **options)

    def test_as_the_queue_is_full_is_missed_and_told(self, connection, clock):
        app = mongojobs.configure(clock=clock, queue_attributes={"small": {"max_size": 1}})
        note.options(queue="small").delay()
        app.schedule("report", note, every="15m", queue="small")
        clock.advance(minutes=15)

        tick(app)

        [entry] = app.schedule_of("report").get().ticks
        assert entry.result == "missed"
        assert QueueFullError.__name__ in entry.why

    def test_as_its_document_is_gone_is_missed_and_the_schedule_goes_on(self, app, clock):
        group = Group(name="sales").save()
        app.schedule("rename", group.rename, every="15m", args=("x",))
        group.delete()
        clock.advance(minutes=15)

        next_at = tick(app)

        assert (ledger(app, "rename"), next_at) == ([("01 12:15", "missed", 1)], in_minutes(30))

    def test_by_code_that_does_not_know_it_is_left_to_others(self, app, clock):
        app.schedule("report", note, every="15m")
        app.schedule_store.collection.update_one({"_id": "report"}, {"$set": {"spec.handler.target": "gone.away"}})
        warnings = heard(app, Warned)
        worker = ticks(app)
        clock.advance(minutes=15)

        worker.tick()
        worker.tick()

        assert ledger(app, "report") == []
        assert [warning.message.split(":")[0] for warning in warnings] == ["cannot tick the schedule report"]

    @pytest.mark.parametrize(
        "damage",
        [
            {"spec": 5},
            {"spec.due": "soon"},
            {"spec.tz": ["x"]},
            {"spec.window": "x"},
            {"unfinished": [5]},
            {"totals": 5},
            {"totals.enqueued": "x"},
            {"ticks": "x"},
        ],
    )
    def test_as_it_is_damaged_holds_up_no_other(self, app, clock, monkeypatch, damage):
        monkeypatch.setattr("random.sample", lambda due, number: due[:number])
        app.schedule("report", note, every="10m")
        app.schedule("sound", note, every="15m")
        app.schedule_store.collection.update_one({"_id": "report"}, {"$set": damage})
        clock.advance(minutes=15)

        tick(app)

        assert "schedule:sound:2030-01-01T12:15:00Z" in ids(app)
        assert len(app.schedules()) == 2


class TestAWorker:
    def test_ticks_while_it_works(self, connection):
        app = mongojobs.configure()
        app.schedule("often", note, every="1s")

        with working():
            eventually(lambda: len(told) >= 2)

        assert {schedule for _, schedule in told} == {"often"}

    def test_hears_of_the_first_schedule_at_its_next_heartbeat(self, connection):
        app = mongojobs.configure(lease=2, heartbeat=0.5)

        with working(name="ada"):
            eventually(app.workers)
            app.schedule("often", note, every="1s")
            eventually(lambda: told)

    def test_without_schedules_leaves_them_to_others(self, connection):
        app = mongojobs.configure()
        app.schedule("often", note, every="1s")

        with working(schedules=False):
            note.options(run_in=2).delay("done")
            eventually(lambda: told)

        assert told == [("done", None, None)]


class TestAnAppWithoutSchedules:
    def test_is_asked_for_them_when_a_worker_starts_and_not_again(self, connection, mongo_uri):
        spy, stopping = Spy(), threading.Event()
        with MongoClient(mongo_uri, event_listeners=[spy]) as client, code():
            app = mongojobs.MongoJobs(client=client)
            reporter = Reporter(app.lifecycle, "ada")
            ticker = Ticker(ticks(app), reporter, Outage(reporter), stopping=stopping, quiet=threading.Event())

            seconds = ticker.look()

        assert (seconds, set(spy.names)) == (IDLE_SECONDS, {"find"})

    def test_is_asked_for_none_by_an_enqueue(self, connection, mongo_uri):
        spy = Spy()
        with MongoClient(mongo_uri, event_listeners=[spy]) as client, mongojobs.MongoJobs(client=client).active():
            note.delay()

        assert [event.command.get("insert") for event in spy.sent] == ["delayed_jobs"]


HOURLY = "hourly"
CALLS = {
    "schedule": lambda app: app.schedule(HOURLY, note, every="1h"),
    "schedules": lambda app: app.schedules(),
    "schedule_reports": lambda app: app.schedule_reports(),
    "some_schedule_reports": lambda app: app.some_schedule_reports(limit=1),
    "schedule_counts": lambda app: app.schedule_counts(),
    "get": lambda app: app.schedule_of(HOURLY).get(),
    "pause": lambda app: app.schedule_of(HOURLY).pause(),
    "resume": lambda app: app.schedule_of(HOURLY).resume(),
    "run_now": lambda app: app.schedule_of(HOURLY).run_now(),
    "backfill_count": lambda app: app.schedule_of(HOURLY).backfill_count(START, START + timedelta(hours=1)),
    "backfill": lambda app: app.schedule_of(HOURLY).backfill(START, START + timedelta(hours=1)),
    "edit": lambda app: app.schedule_of(HOURLY).edit(every="2h"),
    "remove": lambda app: app.schedule_of(HOURLY).remove(),
}


class TestADatabaseThatIsAway:
    @pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
    def test_is_told_by_an_error_of_ours(self, monkeypatch, call):
        monkeypatch.setattr(clients, "PATIENCE", timedelta(seconds=0.1))
        app = MongoJobs(Settings(uri="mongodb://127.0.0.1:1/away", enqueue_timeout=0.1))

        with pytest.raises(StoreUnavailableError, match="the database is not available"):
            call(app)

        app.close()
