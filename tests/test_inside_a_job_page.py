"""The examples of docs/inside-a-job.md are run, and do what the page says of them."""

import asyncio

import pytest

import mongojobs
from mongojobs import testing
from tests.support.pages import examples_of
from tests.support.sessions import needs_bound_sessions
from tests.support.waiting import eventually
from tests.support.working import work_off, working


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure(lease=1, heartbeat=0.1)
    yield app
    mongojobs.configure()


@pytest.fixture
def load(tmp_path):
    """Imports a module of the page."""
    with examples_of("inside-a-job.md", tmp_path) as load:
        yield load


class TestCancelling:
    @pytest.mark.parametrize("name", ["import_file", "convert"])
    def test_ends_the_running_job(self, app, load, tmp_path, name):
        page = load("cancelled_jobs")
        job = {"import_file": page.import_file, "convert": page.convert}[name]
        running = job.delay({"import_file": str(tmp_path / "rows"), "convert": 40_000}[name])

        with working():
            eventually(lambda: app.get(running.id).state == "running")
            assert page.stop(running.id).cancelling
            eventually(lambda: app.get(running.id).state == "cancelled")

        assert app.get(running.id).cancellation["why"] == "wrong file"


@needs_bound_sessions
class TestExactlyOnce:
    @pytest.fixture
    def page(self, app, load):
        page = load("exact_jobs")
        page.Order(number=0).save()
        return page

    def test_stores_an_order_with_its_payment_and_what_it_enqueues(self, app, page):
        account = page.Account(balance=10).save()
        job = page.place_order.delay(account.id, 7, 3)

        work_off(1)

        assert page.Account.objects.get().balance == 7
        assert [order.number for order in page.Order.objects] == [0, 7]
        assert [one.name for one in app.reader.find()] == ["exact_jobs.announce"]
        assert app.get(job.id) is None

    def test_moves_an_amount(self, app, page):
        source, target = page.Account(balance=10).save(), page.Account(balance=0).save()
        page.move.delay(source.id, target.id, 4)

        assert work_off() == (1, 0)
        assert [account.balance for account in page.Account.objects.order_by("id")] == [6, 4]


class TestSteps:
    def test_are_done_once(self, app, load, capsys):
        page = load("paying")
        job = page.pay.delay(7)

        work_off()
        app.run_now(job.id)
        work_off()

        assert capsys.readouterr().out == "charge 7\nsend the receipt r7\nsend the receipt r7\n"


class TestRows:
    def test_are_each_done_once(self, app, load, capsys):
        page = load("greeting")
        page.Guest.objects.insert([page.Guest(name=name) for name in ("Ann", "nobody", "Bob")])
        page.greet_all.delay()

        work_off()

        assert capsys.readouterr().out == "hello Ann\nhello Bob\n"


class TestLog:
    def test_is_what_the_job_said(self, app, load):
        page = load("logged")
        job = page.tidy.delay(["attic", "~tmp"])

        work_off()

        [run] = app.log(job.id)
        assert [(line.level, line.text) for line in run.lines] == [
            ("INFO", "attic is tidy"),
            ("WARNING", "~tmp is left alone"),
        ]


class TestProgress:
    def test_is_what_the_job_said(self, load, capsys):
        page = load("importing")

        with testing.mode("inline"):
            job = page.import_rows.delay(["a", "b"])

        assert capsys.readouterr().out == "import a\nimport b\n"
        assert (job.progress.share, job.progress.note) == (1, "b")


def test_results_come_back(app, load):
    price_jobs = load("price_jobs")

    with working():
        results = price_jobs.now(7), asyncio.run(price_jobs.later(8)), price_jobs.once(9), price_jobs.failing()

    assert results == (
        {"order": 7, "total": (42, "EUR")},
        {"order": 8, "total": (42, "EUR")},
        "invoice 9",
        ("LookupError", "LookupError: no order -1"),
    )
