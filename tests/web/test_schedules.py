"""The schedules on the dashboard: what people are shown of them."""

import re
from datetime import timedelta

import pytest

from mongojobs import every, job
from tests.support.clock import HeldClock
from tests.support.dashboard import VIEWER, Visitor
from tests.support.planted import ODD
from tests.support.schedules import app_without_schedules, code, tick
from tests.support.working import work_off


@job(name="test_schedules.report")
def report(name: str = "") -> None: ...


@pytest.fixture
def clock():
    return HeldClock()


@pytest.fixture
def app(connection, clock):
    with app_without_schedules(clock) as app:
        yield app


@pytest.fixture
def reports(app):
    """A schedule that an operator has made."""
    return app.schedule("reports", report, cron="0 9 * * mon-fri", tz="Europe/Athens", description="for the board")


class TestTheList:
    def test_says_when_each_is_due_in_words_in_its_zone_and_for_the_viewer(self, operator, reports):
        page = operator.text("/schedules")

        assert "At 09:00 on Monday through Friday" in page
        assert "Wed 2030-01-02 09:00:00 EET" in page
        assert 'datetime="2030-01-02T07:00:00.000Z" data-style="local"' in page
        assert ">Wed 2030-01-02 07:00:00 UTC</time>" in page

    def test_tells_the_last_ticks_by_letter_colour_and_word(self, app, clock, operator):
        app.schedule("often", report, every="15m").run_now()
        clock.advance(minutes=15)
        tick(app)

        page = operator.text("/schedules")

        assert [part in page for part in (">H</span>", ">S</span>", '<li class="by hand"', '<li class="skipped"')] == [
            True
        ] * 4
        assert '<span class="unseen">skipped</span>' in page

    def test_tells_the_result_of_the_last_job_and_how_long_it_took(self, app, clock, operator):
        app.schedule("often", report, every="15m")
        clock.advance(minutes=15)
        tick(app)
        work_off()

        page = operator.text("/schedules")

        assert "completed<span" in page
        assert "took " in page

    def test_says_who_paused_one_and_why(self, operator, reports):
        reports.pause("until the audit ends", by="ada")

        page = operator.text("/schedules")

        assert "by <bdi>ada</bdi>" in page
        assert "until the audit ends" in page

    def test_marks_one_that_no_living_worker_declares(self, app, operator):
        with code((report, every("1h", name="lost"))):
            tick(app)

        page = operator.text("/schedules")

        assert '<span class="tag bad">orphaned</span>' in page
        assert "no living worker declares it" in page

    def test_marks_one_that_is_overdue(self, clock, operator, reports):
        clock.advance(days=9)

        assert '<span class="tag bad">overdue</span>' in operator.text("/schedules")

    def test_shows_fifty_at_a_time(self, app, operator):
        for number in range(51):
            app.schedule(f"s{number:02}", report, every="1h")

        first, second = operator.text("/schedules"), operator.text("/schedules?after=s49")

        assert ("s49" in first, "name=s50" in first, "/schedules?after=s49" in first) == (True, False, True)
        assert ("name=s49" in second, "name=s50" in second, "Further" in second) == (False, True, False)

    def test_says_how_to_begin_where_there_is_none(self, app, operator):
        assert "There are no schedules yet" in operator.text("/schedules")


class TestTheOne:
    def test_lists_the_next_ten_times(self, operator, reports):
        page = operator.text("/schedule?name=reports")

        assert page.count(" 09:00:00 EET</td>") == 10

    def test_shows_the_ledger_with_reasons(self, app, clock, operator):
        often = app.schedule("often", report, every="15m")
        often.run_now(by="ada")
        clock.advance(minutes=15)
        tick(app)

        page = operator.text("/schedule?name=often")

        assert "<bdi>ada</bdi>" in page
        assert "the job schedule:often:" in page
        assert "1 so far" in page

    def test_links_each_tick_to_its_job(self, app, operator, reports):
        made = reports.run_now()

        page = operator.text("/schedule?name=reports")

        [address] = re.findall(r'href="(/job\?[^"]+)"', page)
        assert str(made.id) in operator.text(address)

    def test_leads_to_its_jobs_and_each_of_them_back(self, app, operator, reports):
        made = reports.run_now()
        report.delay()

        page = operator.text("/schedule?name=reports")
        [address] = re.findall(r'href="(/jobs\?q=schedule:[^"]+)"', page)
        [shown] = re.findall(r'href="(/job\?[^"]+)"', operator.text(address))

        assert str(made.id) in operator.text(shown)
        assert 'href="/schedule?name=reports"' in operator.text(shown)

    def test_says_what_is_said_of_it(self, operator, reports):
        page = operator.text("/schedule?name=reports")

        assert "for the board" in page
        assert "latest of the last 1d" in page

    def test_hides_options_where_nobody_wants_arguments(self, app):
        app.schedule("secretive", report, every="1h", meta={"plain": "c4n4ry"})

        assert "c4n4ry" in Visitor(app).text("/schedule?name=secretive")
        assert "c4n4ry" not in Visitor(app, show_arguments=False).text("/schedule?name=secretive")

    def test_names_days_that_it_leaves_out(self, app, operator):
        app.schedule("nightly", report, cron="*/30 3 * * *", tz="Europe/Athens")

        assert "It is not due on 2030-03-31" in operator.text("/schedule?name=nightly")

    @pytest.mark.parametrize("name", ["", "none", "\x00", "x" * 1000, "{'$ne': 1}"])
    def test_that_is_not_there_is_told_in_a_sentence(self, operator, name):
        response = operator.open("/schedule", query_string={"name": name})

        assert response.status_code == 404
        assert "schedule" in response.text


class TestAnAction:
    def send(self, operator, **form):
        return operator.post("/schedule/change", {"name": "reports", **form})

    def test_runs_its_job_now(self, app, operator, reports):
        answer = self.send(operator, action="run")

        [tick] = reports.get().ticks
        assert (tick.result, tick.by) == ("by hand", "olga")
        assert "1 job enqueued" in operator.text(answer.headers["Location"])

    def test_pauses_it_with_reason_and_timer_and_resumes_it(self, clock, operator, reports):
        self.send(operator, action="pause", reason="audit", **{"for": "1h"})
        pause = reports.get().pause
        answer = self.send(operator, action="resume")

        assert (pause.why, pause.by, pause.until) == ("audit", "olga", clock.now() + timedelta(hours=1))
        assert reports.get().pause is None
        assert "1 schedule resumed" in operator.text(answer.headers["Location"])

    def test_is_reported_to_the_app(self, app, reports):
        told = []
        self.send(Visitor(app, on_action=told.append), action="pause", reason="audit")

        [action] = told
        assert (action.user, action.action) == ("olga", "pause schedule")
        assert action.target == {"schedule": "reports", "for": "", "reason": "audit"}

    @pytest.mark.parametrize(
        ("form", "status"),
        [
            ({"action": "resume"}, 409),
            ({"action": "drop"}, 400),
            ({"action": "pause", "for": "-5m"}, 400),
            ({"action": "run", "name": "none"}, 404),
        ],
    )
    def test_that_makes_no_sense_is_refused_in_a_sentence(self, operator, reports, form, status):
        assert self.send(operator, **form).status_code == status
        assert (reports.get().pause, reports.get().ticks) == (None, ())

    def test_is_not_offered_to_viewers(self, app, reports):
        page = Visitor(app, VIEWER).text("/schedule?name=reports")

        assert "<button name=" not in page
        assert "<form" not in page


FIELDS = ("source", "spec", "next_run_at", "paused", "unfinished", "ticks", "totals", "edited", "code", "revision")
PARTS = tuple(
    f"{outer}.{inner}"
    for outer, inners in {
        "spec": ("due", "tz", "overlap", "window", "jitter", "starts", "ends", "times", "description", "options"),
        "paused": ("at", "until", "why", "by"),
        "edited": ("tz", "tz.at", "tz.by"),
        "totals": ("enqueued", "missed"),
        "ticks.0": ("at", "result", "why", "by", "number", "until"),
    }.items()
    for inner in inners
)


class TestAPlantedSchedule:
    @pytest.mark.parametrize("field", [*FIELDS, *PARTS])
    def test_has_its_page_and_hides_no_other(self, app, operator, reports, field):
        reports.run_now(by="ada")
        reports.pause("why", by="ada")
        reports.edit(tz="Asia/Kolkata", by="ada")
        store = app.schedule_store.collection
        sound = store.find_one({"_id": "reports"})
        for number, value in enumerate(ODD):
            store.insert_one({**sound, "_id": f"planted {number}"})
            store.update_one({"_id": f"planted {number}"}, {"$set": {field: value}})

        listed = operator.text("/schedules")
        shown = [operator.get(f"/schedule?name=planted {number}").status_code for number in range(len(ODD))]

        assert "<bdi>reports</bdi>" in listed
        assert shown == [200] * len(ODD)
