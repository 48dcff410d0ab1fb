"""The overview: what needs attention, what is being retried, and what to do first; the doctor's findings."""

import re
from datetime import timedelta

import pytest

import mongojobs
from mongojobs.app.doctor.database_checks import of_deferred_jobs, of_pauses, of_waiting_queues
from mongojobs.core.stats import STEPS, StatsByJob, begin_of
from mongojobs.store import selections
from tests.support.dashboard import Visitor, a_failed_job, a_running_job
from tests.support.dashboard_jobs import send_receipt
from tests.support.jobs import a_job

COMPLETED_AT = re.compile(r'<a href="([^"]+)"><time datetime="([^"]+)"[^>]*data-style="exact"')


def shown(page):
    """What people read of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def ran(app, **outcomes):
    """Let workers have reported these outcomes, three minutes ago; return the beginning of that minute."""
    tally = StatsByJob()
    tally.of("shop.send", "mail").outcomes.update(outcomes)
    at = begin_of("minute", app.store.clock.now() - timedelta(minutes=3))
    for step in STEPS:
        app.stats_store.write({(step, begin_of(step, at), "p"): tally}, worker="web.1")
    return at


class TestWhatIsRetried:
    def test_is_a_number_of_its_own(self, app, operator):
        now = app.store.clock.now()
        waits, is_due = a_job(attempts=2, run_at=now + timedelta(hours=1)), a_job(attempts=1, run_at=now)
        app.store.insert_many([waits, is_due, a_job(run_at=now), a_failed_job(), a_running_job(attempts=1)])

        page = operator.text("/")

        assert re.search(r"Retrying ?2 ?to be tried again", shown(page))
        listed = operator.text("/jobs?q=is:retrying")
        assert str(waits.id) in listed
        assert str(is_due.id) in listed
        assert "2 jobs match" in shown(listed)

    def test_is_the_number_that_its_list_says_where_not_all_were_looked_at(self, app, operator, monkeypatch):
        monkeypatch.setattr(selections, "DOCUMENTS_LOOKED_AT", 20)
        app.store.insert_many([a_job(attempts=1, run_at=app.store.clock.now()) for _ in range(9)])

        page, listed = operator.text("/"), operator.text("/jobs?q=is:retrying")

        assert re.search(r"Retrying ?5\+ ?to be tried again", shown(page))
        assert "5+ jobs match" in shown(listed)


class TestWhatNeedsAttention:
    def test_are_many_errors(self, app, operator):
        ran(app, completed=80, retried=15, failed=5)

        assert "20% of the runs of the last 10 minutes failed: 20 of 100" in shown(operator.text("/"))

    @pytest.mark.parametrize("outcomes", [{"completed": 95, "retried": 5}, {"retried": 3}, {}])
    def test_are_no_few_errors(self, app, operator, outcomes):
        ran(app, **outcomes)

        assert "of the last 10 minutes failed" not in shown(operator.text("/"))

    def test_are_jobs_that_were_given_up_on(self, app, operator):
        ran(app, completed=500, failed=2)

        assert "2 jobs were given up on within the last hour" in shown(operator.text("/"))

    def test_are_missing_indexes(self, app, operator):
        app.store.collection.drop_index("ended")

        assert "The doctor found: indexes are missing: ended" in shown(operator.text("/"))

    def test_are_jobs_that_no_code_here_can_run(self, app, operator):
        app.store.insert(a_job(name="shop.gone"))

        assert "1 ready job of shop.gone cannot be run by this code" in shown(operator.text("/"))

    def test_comes_worst_first(self, app, operator):
        ran(app, completed=500, failed=2)
        app.pause("mail")
        app.store.collection.drop_index("ended")

        found = re.findall(r'<li class="note (\w+)"', operator.text("/"))

        assert found == ["bad", "warn", "info"]

    def test_is_nothing_where_all_is_well(self, app, operator):
        assert "Nothing. Every queue is on time" in shown(operator.text("/"))


class TestTheSystem:
    def test_shows_what_the_doctor_finds_and_what_to_do(self, app, operator):
        app.store.collection.drop_index("ended")

        page = shown(operator.text("/system"))

        assert "fault indexes are missing: ended; everything is slow without them" in page
        assert "run: mongojobs create-indexes" in page

    def test_says_that_nothing_is_wrong(self, app, operator, monkeypatch):
        monkeypatch.setattr("mongojobs.web.context.look_from_here", lambda *_, **__: ())

        assert "Nothing is wrong" in shown(operator.text("/system"))

    def test_asks_the_doctor_once_a_minute_and_on_the_overview_not_for_what_that_tells_anyway(
        self, app, operator, monkeypatch
    ):
        asked = []
        monkeypatch.setattr("mongojobs.web.context.look_from_here", lambda *_, but: asked.append(but) or ())

        for path in ("/", "/system", "/", "/system"):
            operator.text(path)

        assert asked == [{of_deferred_jobs, of_waiting_queues, of_pauses}, set()]


class TestWhatToDoFirst:
    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("/", "mongojobs create-indexes"),
            ("/jobs", "send_receipt.delay(order.id)"),
            ("/jobs?state=completed", "keep_completed"),
            ("/queues", 'options(queue="mail")'),
            ("/workers", "mongojobs -A yourapp work"),
            ("/performance", "mongojobs -A yourapp work"),
            ("/failures", "when its last attempt has failed"),
        ],
    )
    def test_is_said_where_there_is_nothing_yet(self, app, operator, path, words):
        assert words in shown(operator.text(path)).replace("&#34;", '"')

    def test_is_not_said_once_there_is_something(self, app, operator):
        send_receipt.delay(1)

        assert "What to do first" not in operator.text("/")


class TestABarOfTheChart:
    def link_of(self, page, minute):
        return next(href for href, at in COMPLETED_AT.findall(page) if at.startswith(f"{minute:%Y-%m-%dT%H:%M}"))

    def test_leads_to_the_jobs_that_failed_in_its_minute(self, app, operator):
        minute = ran(app, completed=5, failed=1)
        within = a_failed_job(finished_at=minute + timedelta(seconds=30))
        after = a_failed_job(finished_at=minute + timedelta(seconds=60))
        app.store.insert_many([within, after])

        link = self.link_of(operator.text("/"), minute).replace("&amp;", "&")
        page = operator.text(link)

        assert "state=failed" in link
        assert str(within.id) in page
        assert str(after.id) not in page

    def test_leads_to_those_that_completed_where_they_are_kept(self, connection):
        app = mongojobs.configure(keep_completed="1d")
        app.create_indexes()
        minute = ran(app, completed=5)

        assert "state=completed" in self.link_of(Visitor(app).text("/"), minute)

    def test_leads_to_those_of_the_name_that_is_shown(self, app, operator):
        minute = ran(app, completed=5)

        assert "name:shop.send" in self.link_of(operator.text("/performance?name=shop.send"), minute)
