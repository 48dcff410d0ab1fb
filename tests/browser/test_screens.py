"""Each screen as people see it: what it shows, that it is accessible, in light, dark and on a phone."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from mongojobs import JobFilter
from mongojobs.core.inside.log import Entry
from mongojobs.core.stats import STEPS, StatsByJob, begin_of
from mongojobs.schedules.schedule import Tick
from mongojobs.store.workers import RunningJob, WorkerStatus
from mongojobs.worker.run.run_log import RunLog
from tests.support.browser import tab
from tests.support.dashboard import PAGES, a_failed_job, a_running_job
from tests.support.dashboard_jobs import Club, send_receipt
from tests.support.jobs import a_job
from tests.support.worker_parts import a_held

LOOKS = [*PAGES, "/jobs?state=failed"]
ONES = [
    *("/schedule?name=close%20books", "/schedule?name=prices"),
    *(
        "/schedule/edit?name=close%20books",
        "/schedule/edit?name=prices",
        "/schedule/backfill?name=prices",
        "/schedules/add",
    ),
]
LOOKED_AT = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
}

OUT_OF_SIGHT = """() => [...document.querySelectorAll("body *")].filter((one) => {
  if (!one.checkVisibility() || one.closest(".unseen, .plot, thead, figure table")) return false;
  const box = one.getBoundingClientRect();
  const says = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const isSomething = (says || one.matches(".sheet, input, select")) && box.width > 1;
  return isSomething && (box.left < -1 || box.right > innerWidth + 1);
}).map((one) => one.outerHTML.slice(0, 200))"""
"""What is written or can be filled in beside the window, to the left or the right."""

COLUMN_WIDTHS = """() => {
  const canvas = document.querySelector("figure canvas");
  const pixels = canvas.getContext("2d").getImageData(0, canvas.height / 2, canvas.width, 1).data;
  const widths = [0];
  for (let at = 0; at < pixels.length; at += 4) {
    if (pixels[at + 1] > pixels[at] + 30 && pixels[at + 3] > 200) widths[widths.length - 1] += 1;
    else if (widths.at(-1)) widths.push(0);
  }
  return widths.filter((width) => width);
}"""
"""How wide the green columns of the chart are, from left to right, in pixels."""


@pytest.fixture
def failed():
    return a_failed_job(name="shop.send", queue="mail", keep_log=64 * 1024)


@pytest.fixture
def shop(app, failed):
    """An app in which something of everything goes on."""
    now = app.store.clock.now()
    running = a_running_job(name="shop.report", queue="slow")
    due = a_job(name="shop.send", queue="mail", run_at=now), a_job(queue="video", run_at=now)
    for one in (failed, running, *due):
        app.store.insert(one)
    log = RunLog(a_held(id=failed.id, keep_log=64 * 1024, locked_at=now, locked_by="web.1"), str, lambda: None)
    for number in range(60):
        log.lines.add(
            Entry(now.timestamp(), ("INFO", "WARNING", "ERROR")[number % 3], f"row {number} {'is sent ' * 40}")
        )
    app.log_store.write(log.gather(0.0))
    send_receipt.options(run_in=3600).delay(1, password="hidden")
    send_receipt.delay(2)
    Club(name="a").save().delay.update_users(7)
    app.pause("mail", reason="the provider is down", until=now + timedelta(hours=1))
    prices = app.schedule("prices", send_receipt, every="15m", args=(7,), kwargs={"password": "hidden"})
    prices.run_now(by="ada")
    skipped = Tick(at=now, result="skipped", why="one at a time")
    missed = Tick(at=now, result="missed", why="not enqueued: its queue is full")
    many = Tick(at=now - timedelta(days=1), until=now, number=96, result="backfilled", by="ada")
    app.schedule_store.note("prices", [skipped, missed, many, Tick(at=now, result="enqueued")], [])
    books = app.schedule(
        "close books", send_receipt, cron="*/30 3 L * *", tz="America/Argentina/Buenos_Aires", args=(7,)
    )
    books.pause("until the audit ends", by="ada")
    run = RunningJob(id=running.id, name=running.name, queue=running.queue, since=now)
    status = WorkerStatus(
        name="web.1",
        host="h",
        pid=7,
        started_at=now,
        queues=("mail", "slow"),
        threads=2,
        busy=1,
        version="1",
        running=(run,),
        memory_bytes=50_000_000,
    )
    app.worker_store.beat(status)
    tally = StatsByJob()
    figures = tally.of("shop.send", "mail")
    figures.outcomes["completed"], figures.outcomes["failed"] = 40, 2
    for seconds in (0.1, 0.2, 3):
        figures.run.add(seconds)
        figures.wait.add(seconds / 2)
    stats = app.stats_store
    for step in STEPS:
        stats.write({(step, begin_of(step, now - timedelta(minutes=3)), "p"): tally}, worker="web.1")
    return app


class TestEveryScreen:
    @pytest.mark.parametrize("look", LOOKED_AT)
    def test_is_accessible_and_fits(self, browser, address, shop, failed, look):
        with tab(browser, address, **LOOKED_AT[look]) as opened:
            found = {}
            for path in [*LOOKS, *ONES, f"/job?id={failed.id}"]:
                page = opened.open(path)
                too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
                found[path] = [*opened.faults(), *opened.violations(), *(["too wide"] if too_wide else [])]

        assert {path: faults for path, faults in found.items() if faults} == {}

    @pytest.mark.parametrize("path", ["/queues", "/jobs", "/job"])
    def test_has_menus_that_fit_on_a_phone(self, browser, address, shop, path):
        due = a_job(queue="video", run_at=shop.store.clock.now())
        shop.store.insert(due)
        with tab(browser, address, **LOOKED_AT["phone"]) as opened:
            page = opened.open(f"{path}?id={due.id}")
            menus = page.locator("details.menu > summary").all()
            for menu in menus:
                menu.click()
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                menu.click()

        assert menus

    def test_has_nothing_out_of_sight_on_a_phone(self, browser, address, shop, failed):
        later = shop.find(JobFilter(state="scheduled")).jobs[0]
        paths = [*LOOKS, *ONES, "/jobs?state=scheduled", *(f"/job?id={job.id}" for job in (failed, later))]
        with tab(browser, address, **LOOKED_AT["phone"]) as opened:
            found = {}
            for path in [*paths, f"/job/again?id={failed.id}"]:
                page = opened.open(path)
                page.evaluate("for (const box of document.querySelectorAll('input[name=id]')) box.click()")
                page.evaluate("for (const summary of document.querySelectorAll('summary')) summary.click()")
                found[path] = page.evaluate(OUT_OF_SIGHT)

        assert {path: texts for path, texts in found.items() if texts} == {}

    def test_would_be_caught_breaking_its_policy(self, operator, shop):
        page = operator.open("/")
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
        page.wait_for_function("window.violations.length > 0")

        assert "style-src" in operator.violations()[0]
        operator.forgive()


class TestTheOverview:
    def test_counts_and_says_what_needs_attention(self, operator, shop):
        page = operator.open("/")

        tiles = page.locator(".tile")
        expect(tiles.filter(has_text="Failed").locator(".value")).to_have_text("1")
        expect(tiles.filter(has_text="Running").locator(".value")).to_have_text("1")
        expect(tiles.filter(has_text="Workers").locator(".value")).to_have_text("1")
        attention = page.get_by_role("region", name="Needs attention")
        expect(attention).to_contain_text("Queue video has due jobs, but no worker takes them")
        expect(attention).to_contain_text("Queue mail is paused until")
        expect(attention).to_contain_text("the provider is down")

    def test_draws_what_its_table_says(self, operator, shop):
        page = operator.open("/")

        expect(page.locator("figure canvas")).to_be_visible()
        page.get_by_text("As a table").click()
        expect(page.get_by_role("region", name="Runs by time")).to_contain_text("40")

    def test_draws_the_first_column_and_the_last_as_wide_as_the_others(self, operator, app):
        tally, now = StatsByJob(), app.store.clock.now()
        tally.of("shop.send", "mail").outcomes["completed"] = 40
        stats = app.stats_store
        for minutes in range(62):
            at = begin_of("minute", now - timedelta(minutes=minutes))
            stats.write({("minute", at, "p"): tally}, worker="web.1")

        page = operator.open("/")
        page.locator("figure canvas").wait_for()
        widths = page.evaluate(COLUMN_WIDTHS)

        assert len(widths) >= 60
        assert max(widths) - min(widths) <= 2

    def test_leads_from_a_column_to_the_jobs_that_ended_then(self, operator, shop):
        page = operator.open("/")
        page.locator("figure canvas").wait_for()
        over = page.locator("figure .u-over")
        box = over.bounding_box()
        over.click(position={"x": box["width"] - 10 * box["width"] / 600, "y": box["height"] / 2})

        expect(page.get_by_label("Conditions")).to_contain_text("ended-since:")

    def test_draws_a_spike_so_that_the_rest_can_be_seen(self, operator, app):
        stats, now = app.stats_store, app.store.clock.now()
        for minutes in range(30):
            tally = StatsByJob()
            tally.of("shop.send", "mail").outcomes["completed"] = 5_000 if minutes == 7 else 10
            at = begin_of("minute", now - timedelta(minutes=minutes))
            stats.write({("minute", at, "p"): tally}, worker="web.1")

        page = operator.open("/")
        expect(page.locator(".readout")).to_contain_text("(logarithmic scale)")
        page.get_by_text("As a table").click()
        expect(page.get_by_role("region", name="Runs by time")).to_contain_text("5,000")

    def test_leads_to_the_jobs_behind_a_number(self, operator, shop):
        page = operator.open("/")
        page.get_by_role("link", name="Scheduled").click()

        expect(page.get_by_role("row")).to_have_count(2)
        expect(page.get_by_role("link", name="send_receipt")).to_be_visible()


class TestAJob:
    def test_shows_its_call_its_attempts_and_its_way(self, operator, shop, failed):
        page = operator.open(f"/job?id={failed.id}")

        expect(page.get_by_role("heading", level=1)).to_have_text("shop.send")
        expect(page.get_by_role("region", name="Failed attempts")).to_contain_text("Traceback (most recent call last)")
        expect(page.get_by_role("region", name="Timeline")).to_contain_text("Attempt 1 failed")
        expect(page.get_by_role("region", name="Timeline")).to_contain_text("Given up")
        expect(page.get_by_role("region", name="On the command line")).to_contain_text(
            f"mongojobs jobs retry {failed.id}"
        )

    def test_shows_arguments_by_name_and_masks_secret_ones(self, operator, shop):
        page = operator.open("/jobs?state=scheduled")
        page.get_by_role("link", name="send_receipt").click()

        call = page.get_by_role("region", name="Call")
        expect(call.get_by_role("row", name="order_id")).to_contain_text("1")
        expect(call.get_by_role("row", name="password")).to_contain_text("masked")
        expect(call).not_to_contain_text("hidden")

    def test_names_the_document_whose_method_it_is(self, operator, shop):
        page = operator.open("/jobs?q=name:Club%23update_users")
        page.get_by_role("link", name="Club#update_users", exact=True).click()

        expect(page.get_by_role("region", name="Call")).to_contain_text(f"Club({Club.objects.first().id})")

    @pytest.mark.parametrize(
        ("search", "kind", "words"),
        [
            ("?q=queue:mail+name:shop.send&state=ready", "paused", "has been paused since"),
            ("?q=queue:video", "no_worker", "no living worker takes jobs of the queue video"),
            ("?state=scheduled", "not_due", "it is not due until"),
            ("?state=running", "running", "it is being run"),
            ("?q=queue:mail+name:shop.send&state=ready", "unknown_job", "the code here cannot run it"),
        ],
    )
    def test_says_why_it_has_not_run(self, operator, shop, search, kind, words):
        page = operator.open(f"/jobs{search}")
        page.locator("tbody .name").first.click()

        expect(page.locator(f"[data-kind={kind}]")).to_contain_text(words, ignore_case=True)

    def test_that_is_gone_is_told_in_a_sentence(self, operator, app):
        page = operator.open("/job?id=67442d0f5f627c1f6c1f4a01")

        expect(page.locator("main")).to_contain_text("There is no such job")

    def test_is_found_by_its_id(self, operator, shop, failed):
        page = operator.open("/jobs")
        page.get_by_label("Find jobs").fill(str(failed.id))
        page.keyboard.press("Enter")

        expect(page.get_by_role("heading", level=1)).to_have_text("shop.send")


class TestOtherScreens:
    def test_failures_are_grouped(self, operator, app):
        for number in range(3):
            app.store.insert(a_failed_job(name="shop.send", error=f"ValueError: no mailbox {number}"))
        app.store.insert(a_failed_job(name="shop.send", error="OSError: no network", place="net.py"))

        page = operator.open("/failures")

        rows = page.locator("tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("shop.py:7 in send")
        expect(rows.first.locator("[data-label=Jobs]")).to_have_text("3")
        rows.first.locator(".name").click()
        expect(page.locator("tbody tr")).to_have_count(3)

    def test_queues_tell_their_size_latency_rate_and_workers(self, operator, shop):
        row = operator.open("/queues").get_by_role("row", name="mail", exact=False).first

        expect(row).to_contain_text("paused")
        expect(row.locator("[data-label='Runs/min']")).to_have_text("0.7")
        expect(row.locator("[data-label=Scheduled]")).to_have_text("1")

    def test_schedules_tell_the_next_time_in_the_zone_of_the_browser(self, browser, address, shop):
        with tab(browser, address, timezone_id="Asia/Tokyo") as opened:
            row = opened.open("/schedules").get_by_role("row", name="prices")

            expect(row.locator("[data-style=local]")).to_contain_text(re.compile(r":00 (GMT\+9|JST)$"))
            expect(row.locator("[data-label=Next]")).to_contain_text(":00 UTC")

    def test_workers_tell_what_they_run(self, operator, shop):
        row = operator.open("/workers").locator("tbody tr")

        expect(row).to_contain_text("web.1")
        expect(row).to_contain_text("shop.report")
        expect(row).to_contain_text("1 of 2")
        expect(row).to_contain_text("47.7 MiB")

    def test_performance_shows_the_heaviest_first_and_one_alone(self, operator, shop):
        page = operator.open("/performance")
        row = page.locator("table.stack tbody tr")

        expect(row.locator("[data-label=Runs]")).to_have_text("42")
        expect(row.locator("[data-label=Errors]")).to_contain_text("4.8%")
        row.get_by_role("link").click()
        expect(page.get_by_label("Conditions")).to_contain_text("shop.send")

    def test_system_shows_server_indexes_and_settings(self, operator, shop):
        page = operator.open("/system")

        expect(page.get_by_role("region", name="Server")).to_contain_text("replica set")
        expect(page.get_by_role("region", name="Indexes")).to_contain_text("ready_by_queue")
        expect(page.get_by_role("region", name="Settings")).to_contain_text("retry_jitter")

    def test_system_says_what_is_missing(self, operator, app):
        app.store.collection.drop_index("ended")

        expect(operator.open("/system").locator("main")).to_contain_text("run mongojobs create-indexes")

    def test_nothing_at_all_is_a_page_too(self, operator, app):
        for path in LOOKS:
            operator.open(path)

            expect(operator.page.locator("main h1")).to_be_visible()


def test_times_go_on_by_themselves(operator, app):
    app.store.insert(a_failed_job(finished_at=datetime.now(UTC) - timedelta(seconds=20)))
    page = operator.open("/jobs?state=failed")
    page.locator("#live-switch").click()
    before = page.locator("td time").inner_text()

    page.wait_for_function("before => document.querySelector('td time').textContent !== before", arg=before)
