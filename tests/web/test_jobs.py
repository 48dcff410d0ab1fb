"""The list of jobs: how many match, and what a row says of a job."""

import re
from datetime import timedelta
from functools import partialmethod

import pytest

from mongojobs.store.reader.job_reader import JobReader
from tests.support.dashboard import Visitor, a_failed_job, a_running_job
from tests.support.dashboard_jobs import send_receipt
from tests.support.jobs import HANDLER, a_job

TARGET = "tests.support.dashboard_jobs.send_receipt"


def shown(page):
    """What people read of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def tabs(page):
    """The numbers next to the states."""
    return dict(re.findall(r"</span>(\w+) <span class=\"count\">([^<]+)<", page))


def called_with(*args, **kwargs):
    return {**HANDLER, "target": TARGET, "args": list(args), "kwargs": kwargs}


class TestHowManyMatch:
    @pytest.fixture(autouse=True)
    def jobs(self, app):
        now = app.store.clock.now()
        app.store.insert_many([a_failed_job(name="shop.send", queue="mail") for _ in range(3)])
        app.store.insert_many([a_failed_job(name="shop.report") for _ in range(2)])
        app.store.insert_many([a_job(name="shop.send", queue="mail", run_at=now), a_job(run_at=now)])

    def test_is_shown_for_a_state(self, operator):
        assert "5 failed jobs, the newest first" in shown(operator.text("/jobs?state=failed"))

    def test_is_shown_for_all_states_together(self, operator):
        assert "7 jobs, the newest first" in shown(operator.text("/jobs"))

    @pytest.mark.parametrize(
        ("search", "counts"),
        [
            ("", {"Ready": "2", "Failed": "5"}),
            ("SHOP.s", {"Ready": "1", "Failed": "3"}),
            ("queue:mail", {"Ready": "1", "Failed": "3"}),
            ("name:shop.report", {"Ready": "0", "Failed": "2"}),
            ("error:mailbox", {"Ready": "0", "Failed": "5"}),
        ],
    )
    def test_is_shown_in_every_tab_for_the_search(self, operator, search, counts):
        found = tabs(operator.text(f"/jobs?q={search}"))

        assert {state: found[state] for state in counts} == counts

    def test_is_shown_for_a_search(self, operator):
        assert "3 failed jobs match, the newest first" in shown(operator.text("/jobs?state=failed&q=send"))

    def test_stops_where_nobody_needs_to_know_better(self, operator, monkeypatch):
        monkeypatch.setattr(JobReader, "first_page", partialmethod(JobReader.first_page, most=2))

        page = operator.text("/jobs?state=failed")

        assert "2+ failed jobs" in shown(page)
        assert "All 2+ that match" in shown(page)

    def test_is_counted_again_for_a_page_and_not_for_each_look_for_news(self, app, operator):
        operator.text("/jobs?q=name:shop.send")
        app.store.insert(a_failed_job(name="shop.send"))

        assert tabs(operator.get("/jobs?q=name:shop.send", HX_Request="true").text)["Failed"] == "3"
        assert tabs(operator.text("/jobs?q=name:shop.send"))["Failed"] == "4"

    def test_is_not_shown_for_an_invalid_search(self, operator):
        page = operator.get("/jobs?q=colour:red")

        assert (page.status_code, tabs(page.text)) == (400, {})


class TestARow:
    def test_has_the_first_arguments_and_hides_secret_ones(self, app, operator):
        app.store.insert(a_failed_job(handler=called_with(7, password="hidden")))

        page = shown(operator.text("/jobs"))

        assert "order_id=7, password=[masked]" in page
        assert "hidden" not in page

    def test_masks_all_arguments_of_a_job_that_is_not_known_here(self, app, operator):
        app.store.insert(a_failed_job(handler={**HANDLER, "args": ["hidden"]}))

        page = shown(operator.text("/jobs"))

        assert "[masked]" in page
        assert "hidden" not in page

    def test_has_no_arguments_where_none_are_shown(self, app):
        app.store.insert(a_failed_job(handler=called_with(4711)))

        assert "4711" not in Visitor(app, show_arguments=False).text("/jobs")

    @pytest.mark.parametrize(
        "value", ["x" * 100_000, list(range(100_000)), {str(n): n for n in range(10_000)}, [[[[[["deep"]]]]]]]
    )
    def test_has_no_more_than_a_line_of_arguments(self, app, operator, value):
        app.store.insert(a_failed_job(handler=called_with(value)))

        [line] = re.findall(r'arguments-line"><bdi>(.*?)</bdi>', operator.text("/jobs"), re.DOTALL)
        assert len(line) < 1_000
        assert "\n" not in line

    def test_tells_the_attempts_of_how_many(self, app, operator):
        app.store.insert_many([a_failed_job(attempts=3, max_attempts=4), a_failed_job(attempts=5)])

        page = shown(operator.text("/jobs"))

        assert "3 of 4" in page
        assert "5 of 25" in page

    def test_says_how_long_an_ended_job_took(self, app, operator):
        app.store.insert(a_failed_job(took=timedelta(seconds=75)))

        assert "took 1m 15s" in shown(operator.text("/jobs"))

    def test_says_how_long_a_job_has_run_and_may_run(self, app, operator):
        since = app.store.clock.now() - timedelta(minutes=2)
        app.store.insert(a_running_job(locked_at=since, max_run_time=timedelta(minutes=5)))

        assert re.search(r"for 2m( \d+s)? of 5m", shown(operator.text("/jobs?state=running")))

    def test_that_runs_can_be_selected_to_be_cancelled_and_for_nothing_else(self, app, operator):
        app.store.insert(a_running_job())

        assert re.findall(r'name="action" value="(\w+)"', operator.text("/jobs?state=running")) == ["cancel"]


def test_scheduled_jobs_come_soonest_first(app, operator):
    for hours in (3, 1, 2):
        send_receipt.options(run_in=hours * 3600).delay(hours)

    page = operator.text("/jobs?state=scheduled")

    assert re.findall(r"order_id=(\d)", page) == ["1", "2", "3"]
    assert "3 scheduled jobs, the soonest first" in shown(page)


class TestWhatMayBeLookedFor:
    def test_are_names_declared_here_and_those_of_waiting_jobs_and_queues(self, app, operator):
        app.store.insert(a_job(name="shop.elsewhere", queue="bulk mail", run_at=app.store.clock.now()))

        found = operator.get("/jobs/known").json

        assert {"text": "shop.elsewhere", "term": "name:shop.elsewhere"} in found
        assert {"text": TARGET, "term": f"name:{TARGET}"} in found
        assert {"text": "bulk mail", "term": 'queue:"bulk mail"'} in found

    def test_are_no_part_of_a_page(self, app, operator):
        assert TARGET not in operator.text("/jobs")
