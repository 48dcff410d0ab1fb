"""What the tutorial and the pages on enqueueing, moving, testing and the lifecycle show is done as they say."""

import dataclasses
import importlib
import inspect
import re
import sys
from datetime import timedelta

import pytest

import mongojobs
from mongojobs.core import notices
from mongojobs.core.lifecycle import EVENTS
from mongojobs.enqueuing.declarations import Declared
from mongojobs.enqueuing.options import OPTIONS
from tests.support.command_line import ROOT
from tests.support.working import work_off

BLOCK = re.compile(r"```(?:python|text)\n# (?P<name>\S+)\n(?P<text>.*?)```", re.DOTALL)
MODULES = {"guestbook", "web", "club", "test_club", "shop_plugins", "shop", "pages", "tour"}
MODULES |= {"choir", "celery_shop", "moved", "shop_moved"}
LIFECYCLE = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Writes the files of a page into a folder that Python imports from, and returns that."""

    def write(name):
        for block in BLOCK.finditer((ROOT / "docs" / name).resolve().read_text(encoding="utf-8")):
            (tmp_path / block["name"]).write_text(block["text"])
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path

    yield write
    for name in MODULES & {*sys.modules}:
        del sys.modules[name]


class TestTheTutorial:
    @pytest.fixture
    def site(self, page, mongo_uri, connection, monkeypatch):
        page("tutorial.md")
        monkeypatch.setenv("MONGODB_URI", mongo_uri)
        monkeypatch.setattr("mongoengine.connect", lambda **_: connection)
        monkeypatch.setattr("time.sleep", lambda _: None)
        mongojobs.configure()
        yield importlib.import_module("web").app.test_client()
        mongojobs.configure()

    def test_lets_a_worker_greet_who_came_in(self, site):
        site.post("/", data={"name": "Ann"})
        before = site.get("/").text
        worked = work_off()

        assert worked == (1, 0)
        assert "One moment" in before
        assert "Welcome, Ann!" in site.get("/").text

    def test_starts_on_heroku_what_the_example_of_a_procfile_starts(self, page):
        lines = (page("tutorial.md") / "Procfile").read_text().splitlines()

        assert set((ROOT / "Procfile.example").read_text().splitlines()) <= set(lines)


class TestEnqueueing:
    @pytest.fixture
    def tour(self, page, connection, monkeypatch):
        page("../README.md")  # whose module connects
        page("enqueueing.md")
        monkeypatch.setattr("mongoengine.connect", lambda **_: connection)
        mongojobs.configure()
        yield importlib.import_module("tour")
        mongojobs.configure()

    @pytest.mark.usefixtures("tour")
    def test_stores_what_its_tour_enqueues_and_runs_what_is_due(self):
        names = {job.name for job in mongojobs.default_app().find()}
        worked = work_off()
        later = mongojobs.default_app().find(mongojobs.JobFilter(state="scheduled"))

        assert names == {
            "Newsletter",
            "Page#publish",
            "Page#reindex",
            "Page.rebuild_all",
            "Parcel#send",
            "pages.resize",
        }
        assert worked == (8, 0)
        assert len(later) == 3


class TestMoving:
    @pytest.fixture
    def moved(self, page, connection):
        mongojobs.configure().create_indexes()

        def moved(name, module):
            page(name)
            return importlib.import_module(module)

        yield moved
        mongojobs.configure()

    def test_from_delayed_job_runs_what_its_example_enqueues(self, moved):
        delayed, enqueued = moved("from-delayed-job.md", "choir").enqueue_all()

        assert (delayed.priority, enqueued.queue) == (3, "mail")
        assert work_off() == (3, 0)

    def test_from_celery_keeps_a_tuple_a_tuple_and_its_times(self, moved):
        later = moved("from-celery.md", "celery_shop").pay()
        mongojobs.default_app().run_now(later.id)

        assert later.queue == "money"
        assert work_off() == (1, 0)
        assert later.result() == (str(later.id), ("a", "b"))

    def test_from_celery_names_the_defaults_there_are(self):
        text, settings = (ROOT / "docs" / "from-celery.md").read_text(encoding="utf-8"), mongojobs.Settings()

        assert f"tried {settings.max_attempts} times" in text
        assert f"after {settings.max_run_time // timedelta(hours=1)} hours" in text
        assert settings.lease == timedelta(minutes=1)

    def test_from_celery_quotes_what_was_measured(self):
        quoted = re.findall(r"after ([\d.]+) ms", (ROOT / "docs" / "from-celery.md").read_text(encoding="utf-8"))
        measured = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")

        assert len(quoted) == 2
        assert [figure for figure in quoted if f"| {figure} |" not in measured] == []

    def test_from_others_runs_the_whole_example(self, moved):
        later, now, first, second = moved("moving.md", "shop_moved").enqueue_all()
        moved("moving.md", "moved").old_task(8)

        assert work_off() == (3, 0)
        assert now.result() == "receipt 7"
        assert (second.duplicate, second.id) == (True, first.id)
        assert later.refresh().state == "ready"

    @pytest.mark.parametrize("page", ["from-celery.md", "from-delayed-job.md", "moving.md"])
    def test_names_only_options_that_there_are(self, page):
        ours = re.findall(r"^\|[^|]+\| ([^|]+) \|$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
        named = {
            option
            for cell in ours
            for call in re.findall(r"(?:\.options|@job)\((.*?)\)", cell)
            for option in re.findall(r"(\w+)=", call)
        }

        assert named <= {*OPTIONS, *Declared.__annotations__, "name", "aliases"}


class TestTesting:
    @pytest.fixture
    def tests(self, page):
        page("testing.md")
        return importlib.import_module("test_club")

    @pytest.mark.parametrize(
        "name",
        [
            "test_a_new_member_is_welcomed",
            "test_a_week_later_they_are_asked",
            "test_a_mail_is_tried_again",
            "test_joining_as_a_whole",
            "test_one_job_by_itself",
        ],
    )
    def test_passes_as_on_the_page(self, tests, name):
        getattr(tests, name)()

    def test_names_everything_in_the_module(self):
        text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")

        assert [name for name in mongojobs.testing.__all__ if name not in (*re.findall(r"\w+", text), "Mode")] == []


class TestTheLifecycle:
    @pytest.fixture
    def plugins(self, page, connection):
        page("lifecycle.md")
        module = importlib.import_module("shop_plugins")
        module.set_up()
        yield module
        mongojobs.configure()

    def test_lets_plugins_surround_and_hear_what_happens(self, plugins):
        plugins.count_orders.options(meta={"tenant": "zoo"}).delay()
        plugins.fails.delay()

        work_off()

        assert plugins.seen == [
            "zoo: shop_plugins.count_orders",
            ("JobErrored", "shop_plugins.fails"),
            ("JobFailed", "shop_plugins.fails"),
        ]

    def test_lists_every_event_with_its_arguments(self):
        rows = re.findall(r"^\| `(\w+)` \| (`[^|]+`) \|", LIFECYCLE, re.MULTILINE)

        assert {event: tuple(re.findall(r"\w+", arguments)) for event, arguments in rows} == EVENTS

    def test_lists_every_notice(self):
        kinds = [name for name, one in inspect.getmembers(notices, dataclasses.is_dataclass) if inspect.isclass(one)]
        own = [name for name in kinds if getattr(notices, name).__module__ == notices.__name__]

        assert [name for name in own if f"| `{name}` |" not in LIFECYCLE] == []


class TestTheComparison:
    def test_has_the_whole_table_that_was_measured(self):
        table = re.compile(r"^\| \| jobs/s, 1 process.*?(?=\n(?!\|))", re.MULTILINE | re.DOTALL)
        shown, measured = (
            table.search((ROOT / "docs" / name).read_text(encoding="utf-8"))[0]
            for name in ("comparison.md", "performance.md")
        )

        assert shown == measured
