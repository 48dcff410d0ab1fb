"""Pages refresh themselves: quietly, one request at a time, and not while nobody looks or somebody is at work."""

import threading

from playwright.sync_api import expect

from mongojobs.core.inside.log import Entry
from mongojobs.web import wsgi_app
from mongojobs.worker.run.run_log import RunLog
from tests.support.browser import HURRY, tab
from tests.support.dashboard import OPERATOR, a_failed_job, a_running_job, served
from tests.support.dashboard_jobs import send_receipt
from tests.support.jobs import a_job
from tests.support.waiting import eventually
from tests.support.worker_parts import a_held


class Slow:
    """A dashboard that is slow with updates, and notes how many wait for them at once."""

    def __init__(self, application):
        self._application = application
        self._lock = threading.Lock()
        self._at_once = self.most_at_once = self.looks = 0

    def __call__(self, environ, start_response):
        if environ.get("HTTP_HX_REQUEST") != "true":
            return self._application(environ, start_response)
        with self._lock:
            self.looks += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        threading.Event().wait(0.3)
        with self._lock:
            self._at_once -= 1
        return self._application(environ, start_response)


def answers(page):
    """Return the growing list of answers to the page's requests for updates."""
    found = []
    page.on("response", lambda answer: found.append(answer.status) if is_look(answer.request) else None)
    return found


def is_look(request):
    return request.headers.get("hx-request") == "true"


def say(app, log, *texts):
    """Let a run log something, and store it."""
    for text in texts:
        log.lines.add(Entry(0.0, "INFO", text))
    app.log_store.write(log.gather(0.0))
    log.note_stored()


class TestAPage:
    def test_shows_what_is_new(self, app, hurried):
        page = hurried.open("/jobs")
        app.store.insert(a_job(name="shop.new"))

        expect(page.get_by_role("link", name="shop.new")).to_be_visible()

    def test_is_not_sent_again_while_nothing_changes(self, app, hurried):
        app.store.insert(a_failed_job())
        page = hurried.open("/jobs?state=failed")
        seen = answers(page)

        page.wait_for_timeout(1500)

        assert seen[0] == 200
        assert set(seen[1:]) == {304}

    def test_has_one_request_under_way_at_a_time(self, app, browser):
        slow = Slow(wsgi_app(app=app, auth=lambda _request: OPERATOR))
        with served(slow) as address, tab(browser, address) as opened:
            opened.page.add_init_script(HURRY)
            opened.open("/")
            eventually(lambda: slow.looks >= 3)

        assert slow.most_at_once == 1

    def test_looks_for_nothing_in_a_hidden_tab(self, app, hurried):
        page = hurried.open("/")
        page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
        asked = []
        page.on("request", lambda request: asked.append(request.url) if is_look(request) else None)
        page.wait_for_timeout(600)

        assert asked == []

    def test_waits_while_something_is_selected(self, app, hurried):
        app.store.insert(a_failed_job(name="shop.old"))
        page = hurried.open("/jobs?state=failed")
        page.locator("input[name=id]").check()
        expect(page.locator("#live-text")).to_have_text("Waiting")
        app.store.insert(a_failed_job(name="shop.new"))
        page.wait_for_timeout(500)
        expect(page.get_by_role("link", name="shop.new")).not_to_be_visible()

        page.locator("input[name=id]").first.uncheck()

        expect(page.get_by_role("link", name="shop.new")).to_be_visible()

    def test_is_paused_by_a_button_and_stays_so(self, app, hurried):
        page = hurried.open("/jobs")
        page.get_by_role("button", name="Live").click()
        hurried.open("/jobs")

        expect(page.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "false")
        app.store.insert(a_job(name="shop.new"))
        page.wait_for_timeout(500)
        expect(page.get_by_role("link", name="shop.new")).not_to_be_visible()

    def test_says_when_the_server_does_not_answer(self, app, hurried):
        page = hurried.open("/")
        page.route("**/*", lambda route: route.fulfill(status=503) if is_look(route.request) else route.continue_())

        expect(page.locator("#live-text")).to_have_text("No answer")
        expect(page.locator(".tile").first).to_be_visible()

    def test_keeps_what_is_open_open(self, app, hurried):
        page = hurried.open("/queues")
        send_receipt.delay(1)
        page.locator("summary", has_text="Pause").click()
        send_receipt.delay(2)

        expect(page.locator("[data-label=Ready]")).to_have_text("2")
        expect(page.get_by_role("button", name="Pause mail")).to_be_visible()

    def test_follows_a_log_at_its_end_unless_somebody_reads_further_up(self, app, hurried):
        job = a_running_job(keep_log=64 * 1024)
        app.store.insert(job)
        log = RunLog(a_held(id=job.id, keep_log=64 * 1024, locked_at=job.locked_at), str, lambda: None)
        say(app, log, *(f"row {number}" for number in range(60)))
        page = hurried.open(f"/job?id={job.id}")
        box, to_end = page.locator(".log"), "box => -box.scrollTop"

        say(app, log, "row 60")
        expect(box.get_by_text("row 60")).to_be_in_viewport()
        assert box.evaluate(to_end) == 0
        box.evaluate("box => { box.scrollTop = -300 }")
        say(app, log, "row 61")
        expect(box.get_by_text("row 61")).to_be_attached()

        assert box.evaluate(to_end) >= 300

    def test_keeps_its_theme(self, app, operator):
        page = operator.open("/")
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_role("button", name="Switch between light and dark").click()
        operator.open("/jobs")

        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
