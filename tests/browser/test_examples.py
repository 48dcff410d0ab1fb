"""The examples in a browser, each from its one command to Ctrl-C: an order, a worker, its receipt, the dashboard."""

import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from mongojobs import MongoJobs, Settings
from tests.support import web
from tests.support.browser import tab
from tests.support.command_line import ROOT, clean_environ
from tests.support.mongod import with_database
from tests.support.mongod.node import free_port

PASSWORD = "sesame"


@dataclass
class Example:
    """One that runs, a page of it, and what its jobs are in."""

    process: subprocess.Popen
    address: str
    page: Page
    app: MongoJobs

    def orders(self, what: str) -> None:
        """Fill in the form."""
        self.page.goto(self.address)
        self.page.get_by_label("name").fill("Ann")
        self.page.get_by_role("combobox").select_option(what)
        self.page.get_by_role("button", name="Order").click()

    def logs_in(self, page: str) -> None:
        """Ask for a *page* for the staff, and be led to it by way of the login."""
        self.page.goto(self.address)
        self.page.get_by_role("link", name=page).click()
        self.page.get_by_label("Name").fill("admin")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()

    def status(self, text: str) -> None:
        """See what an order has come to."""
        expect(self.page.locator(".state[role=status]")).to_have_text(text, timeout=30_000)

    def shows_completed(self, *names: str) -> None:
        """Find the jobs that have ended on the dashboard, whatever its page."""
        self.page.get_by_role("link", name="Jobs", exact=True).click()
        self.page.get_by_role("link", name="Completed").click()
        for name in names:
            expect(self.page.locator("tbody .name", has_text=name)).to_have_count(1)

    def ends_at_ctrl_c(self) -> bool:
        """Whether all of it stops in order, and nobody answers any more."""
        self.process.send_signal(signal.SIGINT)
        self.process.send_signal(signal.SIGTERM)  # and whoever is impatient asks twice
        self.process.stdout.read()
        return self.process.wait(30) == 0 and web.status(self.address) is None and not self.app.workers()


@pytest.fixture
def example(request, browser, mongod, administrator, tmp_path):
    """The one that the test names, with its own database, and what else it finds in its environment. Mail waits."""
    name, environ = request.param
    database = f"mongojobs_test_{uuid4().hex[:12]}"
    uri = with_database(mongod.uri, database)
    ours = {"MONGODB_URI": uri, "ADMIN_PASSWORD": PASSWORD, "PORT": str(free_port()), "TMPDIR": str(tmp_path)}
    app = MongoJobs(Settings(uri=uri))
    app.pause("mail")  # before there is a worker, which would look for it only now and then
    process = subprocess.Popen(
        [sys.executable, ROOT / "docs/examples/start.py", name],
        env=clean_environ({**ours, **environ}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        address = next(line.split()[2] for line in process.stdout if line.startswith("== Open "))
        with tab(browser, address.rstrip("/")) as opened:
            yield Example(process, address, opened.page, app)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        process.communicate()
        app.close()
        administrator.drop_database(database)
    assert list(tmp_path.iterdir()) == []


def with_environ(name, **environ):
    return pytest.mark.parametrize("example", [pytest.param((name, environ), id=name)], indirect=True)


@with_environ("flask", FLASK_PACKING_SECONDS="0")
def test_flask(example):
    example.orders("Sencha")
    example.status("packed")
    example.app.resume("mail")
    example.status("sent")
    expect(example.page.locator("pre")).to_contain_text("Thank you, Ann!")

    example.logs_in("Jobs")
    example.shows_completed("shop.orders.send_receipt", "Order#pack")
    assert example.ends_at_ctrl_c()


@with_environ("django", PACKING_SECONDS="0")
def test_django(example):
    example.orders("Sencha")
    example.status("packed")
    example.app.resume("mail")
    example.status("sent")
    expect(example.page.locator("pre")).to_contain_text("Thank you, Ann!")

    example.logs_in("Report")
    example.page.get_by_role("button", name="Make a report").click()
    expect(example.page.locator("pre")).to_contain_text("Ann,Sencha,2", timeout=30_000)

    example.page.goto(f"{example.address}admin/")
    example.page.get_by_role("link", name="Dashboard", exact=True).click()
    example.shows_completed("shop.jobs.make_report", "shop.tasks.send_receipt", "shop.jobs.pack")
    assert example.ends_at_ctrl_c()


@with_environ("fastapi", ROASTING_SECONDS="3")
def test_fastapi(example):
    example.page.goto(example.address)
    example.page.get_by_role("spinbutton").fill("10")
    example.page.get_by_label("name").fill("Ann")
    example.page.get_by_role("button", name="What does it cost?").click()
    expect(example.page.locator("#price")).to_have_text("130.50 €")
    example.page.get_by_role("button", name="Order").click()
    example.status("running")
    expect(example.page.locator(".note")).to_have_text("bag 1 is in the oven")
    example.page.get_by_role("button", name="Cancel").click()
    example.status("cancelled")
    example.page.get_by_role("spinbutton").fill("1")
    example.page.get_by_role("button", name="Order").click()
    example.status("completed")
    expect(example.page.locator("pre")).to_contain_text("Yirgacheffe for Ann")

    example.logs_in("Jobs")
    example.shows_completed("shop.jobs.roast", "shop.jobs.quote")
    assert example.ends_at_ctrl_c()
