"""Each action from the button to the database: by mouse, by keyboard, without JavaScript, and with real workers."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect

from mongojobs import JobFilter
from mongojobs.web import wsgi_app
from tests.support.browser import tab
from tests.support.command_line import Process
from tests.support.dashboard import PAGES, SAME_ORIGIN, VIEWER, a_failed_job, a_running_job, served
from tests.support.dashboard_jobs import refuses, send_receipt, waits_for
from tests.support.waiting import eventually

FORMS = ("/schedule/edit", "/schedule/backfill", "/schedules/add")
RUN = {"name": "prices", "action": "run"}


@pytest.fixture
def worker(mongo_uri, tmp_path):
    """A real worker, in a separate process."""
    process = Process(
        *("-A", "tests.support.dashboard_jobs", "work", "--heartbeat", "0.5", "--lease", "4"),
        folder=tmp_path,
        environ={"SAMPLE_URI": mongo_uri},
    )
    yield process
    process.end()


@pytest.fixture(params=["operator", "without_scripts"])
def visitor(request):
    """A visitor with JavaScript, and one without."""
    return request.getfixturevalue(request.param)


def states(app):
    """How many jobs there are in each state."""
    return {state: count.number for state, count in app.counts().items() if count.number}


class TestTheWholeStory:
    def test_from_a_failure_to_a_retry_with_a_real_worker(self, app, hurried, worker):
        refuses.delay(7)
        page = hurried.open("/jobs?state=failed")
        expect(page.locator("tbody tr")).to_have_count(1, timeout=20_000)
        expect(page.locator("tbody .error")).to_have_text("ValueError: order 7 was refused")

        page.locator("tbody .name").click()
        page.get_by_role("button", name="Retry").click()

        expect(page.get_by_role("status").first).to_contain_text("1 job will run again")
        eventually(lambda: app.find(JobFilter(state="failed")).jobs[0].fence == 2)

    def test_of_a_worker_that_is_made_quiet_and_stopped(self, app, hurried, worker, tmp_path):
        waits_for.delay(str(tmp_path / "end"))
        page = hurried.open("/workers")
        row = page.locator("tbody tr")
        expect(row).to_contain_text("waits_for", timeout=20_000)

        row.get_by_role("button", name="Quiet").click()
        expect(page.locator("tbody tr")).to_contain_text("quiet")
        page.locator("tbody tr").get_by_role("button", name="Stop").click()

        Path(tmp_path / "end").touch()
        assert worker.wait() == 0
        expect(page.locator("main")).to_contain_text("No worker is alive")
        assert states(app) == {}

    def test_of_a_queue_that_is_paused_and_resumed(self, app, hurried, request):
        page = hurried.open("/queues")
        app.pause("mail")
        expect(page.locator("tbody")).to_contain_text("paused")
        request.getfixturevalue("worker").says("Starting job worker")  # which need not see at once that it is paused
        send_receipt.delay(1)
        expect(page.locator("[data-label=Ready]")).to_have_text("1")

        page.get_by_role("button", name="Resume").click()

        eventually(lambda: states(app) == {})


class TestQueues:
    def test_are_paused_with_a_reason_and_a_timer(self, app, visitor):
        send_receipt.delay(1)
        page = visitor.open("/queues")
        page.get_by_text("Pause").first.click()
        page.get_by_label("For").select_option("10m")
        page.get_by_label("Why").fill("ticket 4711")
        page.get_by_role("button", name="Pause mail").click()

        expect(page.locator("tbody")).to_contain_text("ticket 4711")
        [pause] = app.pauses.all()
        assert (pause.until - pause.since).total_seconds() == pytest.approx(600, abs=5)

    def test_are_resumed(self, app, visitor):
        app.pause("mail")
        page = visitor.open("/queues")
        page.get_by_role("button", name="Resume").click()

        expect(page.get_by_role("status").first).to_contain_text("1 queue resumed")
        assert app.pauses.all() == []


class TestASchedule:
    @pytest.fixture
    def prices(self, app):
        """A schedule that was made at run time, due long after any test has ended."""
        return app.schedule("prices", send_receipt, cron="0 0 1 1 *", args=(7,), queue="mail")

    def test_is_run_now(self, app, visitor, prices):
        visitor.open("/schedule?name=prices").get_by_role("button", name="Run now").click()

        expect(visitor.page.get_by_role("status").first).to_contain_text("1 job enqueued")
        expect(visitor.page.get_by_role("region", name="Last ticks")).to_contain_text("by hand")
        assert states(app) == {"ready": 1}

    def test_is_paused_with_a_reason_and_resumed(self, visitor, prices):
        page = visitor.open("/schedule?name=prices")
        page.get_by_text("Pause", exact=True).click()
        page.get_by_label("For").select_option("1h")
        page.get_by_label("Why").fill("audit")
        page.get_by_role("button", name="Pause it").click()
        expect(page.locator("main")).to_contain_text("by olga, resumes in")
        paused = prices.get().pause
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("status").first).to_contain_text("1 schedule resumed")

        assert (paused.why, prices.get().pause) == ("audit", None)

    def test_is_edited_after_a_mistake(self, visitor, prices):
        page = visitor.open("/schedule?name=prices")
        page.get_by_role("link", name="Edit").click()
        page.get_by_label("When", exact=True).fill("weekday at 9:00")
        page.get_by_label("Time zone").fill("Europe/Athen")
        page.get_by_label("Ends").fill("2090-01-01T00:00:00")
        page.get_by_label("Overlap").select_option("allow")
        page.get_by_label("order_id").fill("8")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("did you mean Europe/Athens?")
        expect(page.get_by_label("Time zone")).to_have_accessible_description(re.compile("did you mean"))
        expect(page.get_by_label("When", exact=True)).to_have_value("weekday at 9:00")
        page.get_by_label("Time zone").fill("Europe/Athens")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status").first).to_contain_text("1 schedule changed")

        said = prices.get().said
        assert (said.due.text, said.tz.key, said.overlap) == ("0 9 * * mon-fri", "Europe/Athens", "allow")
        assert said.ends == datetime(2089, 12, 31, 22, tzinfo=UTC)
        assert (prices.get().handler["args"], prices.get().options) == ([8], {"queue": "mail"})

    def test_is_backfilled_after_a_question(self, app, visitor, prices):
        page = visitor.open("/schedule?name=prices")
        page.get_by_role("link", name="Backfill").click()
        page.get_by_label("From").fill("2021-01-01T00:00")
        page.get_by_label("To").fill("2024-01-01T00:00")
        page.get_by_role("button", name="Count them").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Enqueue 3 jobs of prices?")
        before = states(app)
        page.get_by_role("button", name="Enqueue 3").click()
        expect(page.get_by_role("status").first).to_contain_text("3 jobs enqueued")

        assert (before, states(app)) == ({}, {"ready": 3})

    def test_is_removed_after_a_question(self, app, visitor, prices):
        page = visitor.open("/schedule?name=prices")
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Remove prices?")
        assert len(app.schedules()) == 1
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_role("status").first).to_contain_text("1 schedule removed")

        assert app.schedules() == []

    def test_is_added(self, app, visitor):
        page = visitor.open("/schedules")
        page.get_by_role("link", name="Add a schedule").click()
        page.get_by_label("Name", exact=True).fill("fresh prices")
        page.get_by_label("Job", exact=True).fill("tests.support.dashboard_jobs.send_receipt")
        page.get_by_label("Positional arguments").fill("[7]")
        page.get_by_label("When", exact=True).fill("15m")
        page.get_by_role("button", name="Add it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("fresh prices")

        assert app.schedule_of("fresh prices").get().handler["args"] == [7]

    def test_is_only_looked_at_by_somebody_who_may_only_look(self, browser, app, prices):
        application = wsgi_app(app=app, auth=lambda _request: VIEWER)
        with served(application) as address, tab(browser, address) as opened:
            page = opened.open("/schedule?name=prices")
            expect(page.get_by_role("region", name="Next times")).to_be_visible()
            expect(page.locator("main form, main a.button, main button:not([data-copies])")).to_have_count(0)
            answers = [page.request.get(f"{address}{path}?name=prices").status for path in FORMS]
            answers.append(page.request.post(f"{address}/schedule/change", form=RUN, headers=SAME_ORIGIN).status)

        assert answers == [403] * 4
        assert states(app) == {}


class TestOneJob:
    def test_is_cancelled(self, app, visitor):
        job = send_receipt.delay(1)
        visitor.open(f"/job?id={job.id}").get_by_role("button", name="Cancel").click()

        expect(visitor.page.locator("#job-head .state")).to_have_text("cancelled")
        assert app.get(job.id).state == "cancelled"

    def test_is_cancelled_though_it_runs_with_a_reason(self, app, visitor):
        job = a_running_job(created_at=datetime.now(UTC))
        app.store.insert(job)
        page = visitor.open(f"/job?id={job.id}")
        page.locator("summary", has_text="Cancel").click()
        page.get_by_label("Why").fill("wrong file")
        page.get_by_role("button", name="Cancel").click()

        expect(page.locator("#job-head .state")).to_have_text("cancelling")
        expect(page.get_by_role("status").first).to_contain_text("1 job asked to end")
        assert app.get(job.id).cancellation["why"] == "wrong file"

    def test_is_run_now(self, app, visitor):
        job = send_receipt.options(run_in=3600).delay(1)
        visitor.open(f"/job?id={job.id}").get_by_role("button", name="Run now").click()

        expect(visitor.page.locator("#job-head .state")).to_have_text("ready")
        assert app.get(job.id).run_at < job.run_at

    def test_is_moved(self, app, visitor):
        job = send_receipt.delay(1)
        page = visitor.open(f"/job?id={job.id}")
        page.locator("summary", has_text="Move").click()
        page.get_by_label("Queue").fill("bulk")
        page.get_by_label("Priority").fill("-5")
        page.get_by_role("button", name="Move").click()

        expect(page.get_by_role("status").first).to_contain_text("1 job moved")
        assert (app.get(job.id).queue, app.get(job.id).priority) == ("bulk", -5)

    def test_is_run_again_with_another_argument(self, app, visitor):
        job = send_receipt.delay(7)
        app.cancel(job.id)
        page = visitor.open(f"/job?id={job.id}")
        page.get_by_role("link", name="Run again").click()
        page.get_by_label("order_id").fill("seven")
        page.get_by_role("button", name="Run again").click()
        expect(page.get_by_role("alert")).to_contain_text("order_id must be written as JSON")
        page.get_by_label("order_id").fill("8")
        page.get_by_role("button", name="Run again").click()

        expect(page.get_by_role("status").first).to_contain_text("1 job enqueued again")
        expect(page.locator("#job-head .state")).to_have_text("ready")
        expect(page.get_by_role("region", name="Call").get_by_role("row", name="order_id")).to_contain_text("8")
        assert states(app) == {"cancelled": 1, "ready": 1}

    def test_is_deleted_after_a_question(self, app, visitor):
        job = send_receipt.delay(1)
        page = visitor.open(f"/job?id={job.id}")
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Delete this job?")
        assert app.get(job.id) is not None
        page.get_by_role("button", name="Delete").click()

        expect(page.get_by_role("status").first).to_contain_text("1 job deleted")
        assert app.get(job.id) is None

    def test_whose_state_has_changed_meanwhile_is_left_alone(self, app, visitor):
        job = send_receipt.delay(1)
        page = visitor.open(f"/job?id={job.id}")
        app.cancel(job.id)
        page.locator("#live-switch:visible").click() if page.locator("#live-switch:visible").count() else None
        page.get_by_role("button", name="Cancel").click()

        expect(page.locator("main")).to_contain_text("cannot cancel the job")


class TestSelectedJobs:
    @pytest.fixture
    def failed(self, app):
        jobs = [a_failed_job(name=f"shop.send{n % 2}", queue="mail") for n in range(60)]
        app.store.insert_many(jobs)
        return jobs

    def test_are_retried_one_by_one(self, app, visitor, failed):
        page = visitor.open("/jobs?state=failed")
        page.locator("input[name=id]").nth(0).check()
        page.locator("input[name=id]").nth(2).check()
        page.get_by_role("button", name="Retry").click()

        expect(page.get_by_role("status").first).to_contain_text("2 jobs will run again")
        assert states(app) == {"ready": 2, "failed": 58}

    def test_of_all_pages_are_exactly_those_that_match(self, app, visitor, failed):
        page = visitor.open("/jobs?state=failed&q=name:shop.send1")
        page.locator("#select-matching").check()
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Retry 30 jobs?")
        page.get_by_role("button", name="Retry 30").click()

        expect(page.get_by_role("status").first).to_contain_text("30 jobs will run again")
        assert app.count(JobFilter(state="ready", name="shop.send1")).number == 30
        assert app.count(JobFilter(state="failed", name="shop.send0")).number == 30

    def test_beyond_the_page_are_deleted_too(self, app, visitor, failed):
        page = visitor.open("/jobs?state=failed")
        expect(page.locator("tbody tr")).to_have_count(50)
        page.locator("#select-matching").check()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Delete 60").click()

        expect(page.get_by_role("status").first).to_contain_text("60 jobs deleted")
        assert states(app) == {}

    def test_of_a_group_of_failures_are_retried(self, app, visitor, failed):
        page = visitor.open("/failures")
        page.locator("tbody tr").first.get_by_role("button", name="Retry all").click()
        page.get_by_role("button", name="Retry 30").click()

        expect(page.get_by_role("status").first).to_contain_text("30 jobs will run again")
        assert states(app) == {"ready": 30, "failed": 30}

    def test_are_moved_run_now_and_cancelled(self, app, visitor):
        for number in range(3):
            send_receipt.options(run_in=3600).delay(number)
        page = visitor.open("/jobs?state=scheduled")
        page.locator("#select-matching").check()
        page.locator("summary", has_text="Move").click()
        page.get_by_label("Queue").fill("bulk")
        page.get_by_role("button", name="Move").click()
        page.get_by_role("button", name="Move 3").click()
        expect(page.get_by_role("status").first).to_contain_text("3 jobs moved")
        page.locator("#select-matching").check()
        page.get_by_role("button", name="Run now").click()
        page.get_by_role("button", name="Run now 3").click()
        expect(page.get_by_role("status").first).to_contain_text("3 jobs are due now")
        page.get_by_role("link", name="Ready").click()
        page.locator("#select-matching").check()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Cancel 3").click()

        expect(page.get_by_role("status").first).to_contain_text("3 jobs cancelled")
        assert app.count(JobFilter(state="cancelled", queue="bulk")).number == 3

    def test_bring_up_a_bar_that_stays_in_sight(self, operator, failed):
        page = operator.open("/jobs?state=failed")
        bar = page.get_by_role("group", name="Selected jobs")
        page.locator("input[name=id]").first.check()

        expect(bar).to_be_in_viewport(ratio=1)
        expect(bar).to_contain_text("1 selected")
        expect(bar).to_contain_text("All 60 that match, on all pages")
        page.locator("input[name=id]").nth(49).check()
        expect(bar).to_be_in_viewport(ratio=1)
        expect(bar).to_contain_text("2 selected")
        bar.get_by_role("button", name="Clear").click()
        expect(page.locator("input[name=id]:checked")).to_have_count(0)
        expect(bar).to_contain_text("Nothing selected")

    def test_bring_up_the_bar_without_scripts_too(self, without_scripts, failed):
        page = without_scripts.open("/jobs?state=failed")
        page.locator("input[name=id]").first.check()

        expect(page.get_by_role("group", name="Selected jobs")).to_be_in_viewport(ratio=1)

    def test_can_be_all_of_a_page_or_a_row_of_them(self, operator, failed):
        page = operator.open("/jobs?state=failed")
        expect(page.get_by_role("button", name="Retry")).to_be_disabled()
        page.locator("#select-page").check()
        expect(page.locator("#selection")).to_have_text("50 selected")
        page.locator("#select-page").uncheck()
        page.locator("input[name=id]").nth(1).click()
        page.locator("input[name=id]").nth(4).click(modifiers=["Shift"])

        expect(page.locator("#selection")).to_have_text("4 selected")

    def test_are_chosen_from_page_to_page(self, visitor, failed):
        page = visitor.open("/jobs?state=failed")
        page.get_by_role("link", name="Older").click()

        expect(page.locator("tbody tr")).to_have_count(10)
        page.get_by_role("link", name="Newest").click()
        expect(page.locator("tbody tr")).to_have_count(50)


class TestTheKeyboard:
    def test_reaches_the_search_and_the_content(self, operator, app):
        app.store.insert(a_failed_job(name="shop.send"))
        page = operator.open("/jobs")
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("/")
        expect(page.locator("#q")).to_be_focused()
        page.keyboard.type("name:shop.send")
        page.keyboard.press("Enter")

        expect(page.get_by_label("Conditions")).to_contain_text("name:shop.send")

    @pytest.mark.parametrize("path", PAGES)
    def test_reaches_the_search_from_every_page(self, operator, app, path):
        page = operator.open(path)
        page.keyboard.press("/")

        expect(page.locator("#q")).to_be_focused()

    def test_completes_what_is_looked_for(self, operator, app):
        send_receipt.delay(1)
        refuses.delay(2)
        page = operator.open("/jobs")
        page.locator("#q").focus()
        page.keyboard.type("since:2h queue:m")
        expect(page.get_by_role("option")).to_have_text(["queue:mail"])
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.keyboard.type("receipt")
        page.get_by_role("option", name="dashboard_jobs.send_receipt").click()

        expect(page.locator("#q")).to_have_value("since:2h queue:mail name:tests.support.dashboard_jobs.send_receipt ")
        assert operator.faults() == []

    def test_leaves_alone_what_is_typed_past_the_suggestions(self, operator, app):
        send_receipt.delay(1)
        page = operator.open("/jobs")
        page.locator("#q").focus()
        page.keyboard.type("receipt")
        expect(page.get_by_role("option")).not_to_have_count(0)
        page.keyboard.press("Escape")
        expect(page.get_by_role("option")).to_have_count(0)
        page.keyboard.type("s")
        page.keyboard.press("Backspace")
        page.keyboard.press("Enter")

        expect(page.get_by_label("Conditions")).to_contain_text("receipt")
        expect(page.locator("tbody tr")).to_have_count(1)

    def test_retries_a_job(self, operator, app):
        job = a_failed_job(name="shop.send")
        app.store.insert(job)
        page = operator.open("/jobs?state=failed")
        page.locator("#select-page").focus()
        page.keyboard.press("Space")
        expect(page.locator("#selection")).to_have_text("1 selected")
        page.get_by_role("button", name="Retry").focus()
        page.keyboard.press("Enter")

        expect(page.get_by_role("status").first).to_contain_text("1 job will run again")
        assert app.get(job.id).state == "ready"

    def test_opens_a_menu_and_pauses_a_queue(self, operator, app):
        send_receipt.delay(1)
        page = operator.open("/queues")
        page.locator("summary", has_text="Pause").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type("by keyboard")
        page.keyboard.press("Enter")

        expect(page.locator("tbody")).to_contain_text("by keyboard")

    @pytest.mark.parametrize("path", PAGES)
    def test_passes_every_control(self, operator, app, path):
        app.store.insert(a_failed_job())
        send_receipt.delay(1)
        page = operator.open(path)

        unreachable = page.evaluate(
            """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")]
                .filter((one) => one.checkVisibility() && one.tabIndex < 0).map((one) => one.outerHTML)"""
        )
        assert unreachable == []
