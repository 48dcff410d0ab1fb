"""Changing, adding, backfilling and removing schedules on the dashboard, checked as everywhere else."""

import html
import re
from datetime import UTC, datetime

import pytest

import mongojobs
from mongojobs import every, job
from mongojobs.app.schedule_texts import TEXT_OPTIONS
from mongojobs.cli.schedules.changing import edit as edit_command
from tests.support.clock import HeldClock
from tests.support.dashboard import VIEWER, Visitor
from tests.support.planted import ODD
from tests.support.schedules import app_without_schedules, code, moments, ticks
from tests.support.waiting import eventually
from tests.support.working import working

FIELD = re.compile(r'<input type="(?:text|hidden|datetime-local)"[^>]*? value="([^"]*)"[^>]*>')
SELECT = re.compile(r'<select [^>]*name="([^"]+)"(.*?)</select>', re.DOTALL)
CHOSEN = re.compile(r"<option selected>([^<]*)")


@job(name="test_schedule_forms.report")
def report(name: str = "", password: str = "") -> None: ...


@job(name="test_schedule_forms.Letter")
class Letter:
    def __init__(self, text: str = "hello") -> None:
        self.text = text

    def perform(self) -> None: ...


@pytest.fixture
def clock():
    return HeldClock()


@pytest.fixture
def app(connection, clock):
    with app_without_schedules(clock) as app:
        yield app


@pytest.fixture
def reports(app):
    """A schedule with an option of each kind."""
    return app.schedule(
        *("reports", report),
        cron="0 9 * * *",
        tz="Europe/Athens",
        args=("x",),
        queue="slow",
        priority=7,
        tags=["vip", "eu"],
        meta={"team": "books"},
        max_run_time="90s",
        starts=datetime(2029, 1, 1, tzinfo=UTC),
        times=12,
    )


def form_of(page):
    """The fields of the forms of *page*, as a browser would send them."""
    inputs = {re.search(r' name="([^"]+)"', one[0])[1]: html.unescape(one[1]) for one in FIELD.finditer(page)}
    return inputs | {name: (CHOSEN.findall(choices) or [""])[0] for name, choices in SELECT.findall(page)}


def change(visitor, name="reports", **typed):
    """Type into the form and send it."""
    return visitor.post("/schedule/edit/change", form_of(visitor.text(f"/schedule/edit?name={name}")) | typed)


def problem_of(answer, option):
    """What stands beside the field of *option*."""
    [found] = re.findall(rf'id="about-{option}"><span class="problem" role="alert"><bdi>(.*?)</bdi>', answer.text)
    return html.unescape(found)


class TestTheForm:
    def test_shows_what_is_said(self, operator, reports):
        shown = form_of(operator.text("/schedule/edit?name=reports"))

        assert (
            shown
            | {
                "when": "0 9 * * *",
                "tz": "Europe/Athens",
                "starts": "2029-01-01T02:00:00",
                "times": "12",
                "overlap": "skip",
                "window": "1d",
                "queue": "slow",
                "priority": "7",
                "tags": "vip, eu",
                "meta": '{"team": "books"}',
                "max_run_time": "90s",
                "argument-0": '"x"',
            }
            == shown
        )

    def test_has_each_option_of_the_command_that_a_tick_can_have(self):
        flags = {flag.name for flag in edit_command.params} - {"name", "args", "kwargs", "without"}

        assert {one.name for one in TEXT_OPTIONS} == flags - {"debounce", "max_wait"}

    def test_sent_as_it_is_changes_nothing(self, operator, reports):
        before = reports.get()

        answer = change(operator)

        assert answer.status_code == 400
        assert "nothing to change in the schedule" in answer.text
        assert reports.get() == before

    def test_changes_what_was_typed_and_nothing_else(self, operator, reports):
        before = reports.get()

        answer = change(operator, when="weekday at 8:30", queue="fast", ends="2030-06-01T00:00", overlap="allow")

        after = reports.get()
        assert answer.headers["Location"] == "/schedule?name=reports&did=edit-schedule&n=1"
        assert (after.said.due.text, after.said.overlap) == ("30 8 * * mon-fri", "allow")
        assert after.said.ends == datetime(2030, 5, 31, 21, tzinfo=UTC)
        assert after.options == {**before.options, "queue": "fast"}
        assert {name: entry["by"] for name, entry in after.edited.items()} == dict.fromkeys(
            ("due", "overlap", "ends", "options"), "olga"
        )

    def test_takes_back_what_was_emptied(self, operator, reports):
        change(operator, times="", starts="", queue="", meta="", tz="")

        after = reports.get()
        assert (after.said.times, after.said.starts, after.said.tz.key) == (None, None, "UTC")
        assert sorted(after.options) == ["max_run_time", "priority", "tags"]

    def test_leaves_alone_what_somebody_else_has_changed_meanwhile(self, operator, reports):
        form = form_of(operator.text("/schedule/edit?name=reports"))
        reports.edit(tz="Asia/Kolkata", args=("y",), by="ada")

        operator.post("/schedule/edit/change", form | {"priority": "8"})

        after = reports.get()
        assert (after.said.tz.key, after.handler["args"], after.options["priority"]) == ("Asia/Kolkata", ["y"], 8)

    @pytest.mark.parametrize(
        ("option", "typed", "told"),
        [
            ("when", "soon", "'soon' is not a schedule: write cron"),
            ("when", "", "'' is not a schedule"),
            ("tz", "Europe/Athen", "did you mean Europe/Athens?"),
            ("window", "often", "window must be a duration such as"),
            ("times", "many", "times must be a whole number of 1 or more, got 'many'"),
            ("ends", "2028-01-01T00:00", "ends must be later than starts"),
            ("ends", "tomorrow", "ends must be a datetime with a time zone, got 'tomorrow'"),
            ("catch_up", "some", "catch_up must be one of latest, none, all"),
            ("priority", "high", "priority must be a whole number"),
            ("meta", "{", "meta must be a dict, got '{'"),
            ("queue", "a,b", "queue must not begin with $, contain a comma"),
        ],
    )
    def test_says_beside_the_field_what_is_wrong_and_keeps_what_was_typed(self, operator, reports, option, typed, told):
        before = reports.get()

        answer = change(operator, description="kept", **{option: typed})

        assert answer.status_code == 400
        assert told in problem_of(answer, option)
        assert (form_of(answer.text)["description"], form_of(answer.text)[option]) == ("kept", typed)
        assert reports.get() == before

    def test_says_above_all_what_is_wrong_with_several(self, operator, reports):
        answer = change(operator, throttle="1/10m")

        assert '<p class="note bad" role="alert">' in answer.text
        assert "needs a key" in answer.text

    def test_can_be_sent_again_after_a_problem(self, operator, reports):
        answer = change(operator, tz="Mars", description="kept")

        operator.post("/schedule/edit/change", form_of(answer.text) | {"tz": "UTC"})

        assert (reports.get().said.tz.key, reports.get().said.description) == ("UTC", "kept")

    def test_says_what_becomes_of_an_edit_where_code_declares_it(self, app, operator):
        with code((report, every("1h", name="hourly"))):
            ticks(app)

        assert "holds until the code says something else" in operator.text("/schedule/edit?name=hourly")

    def test_is_reported_with_the_names_of_what_changed(self, app, reports):
        told = []

        change(Visitor(app, on_action=told.append), **{"argument-0": '"4711"', "tz": "UTC"})

        [action] = told
        assert (action.user, action.action) == ("olga", "edit schedule")
        assert action.target == {"schedule": "reports", "changed": ["tz", "name"]}


class TestTheArguments:
    def test_are_changed(self, operator, reports):
        change(operator, **{"argument-0": '"y"'})

        assert reports.get().handler["args"] == ["y"]

    def test_that_are_no_json_are_told_beside_the_field(self, operator, reports):
        answer = change(operator, **{"argument-0": "y"})

        assert re.search(r'name="argument-0" value="y"[^>]*aria-invalid="true">\s*<span class="problem"', answer.text)
        assert reports.get().handler["args"] == ["x"]

    def test_that_are_masked_must_be_entered_again(self, app, operator):
        app.schedule("secretive", report, every="1h", args=("x",), kwargs={"password": "c4n4ry"})

        answer = change(operator, "secretive", **{"argument-0": '"y"'})

        assert "c4n4ry" not in answer.text
        assert "enter the masked ones again: password" in answer.text
        assert app.schedule_of("secretive").get().handler["args"] == ["x"]

    def test_of_an_object_are_left_to_the_command(self, app, operator):
        letter = app.schedule("letter", Letter("hi"), every="1h")

        change(operator, "letter", queue="slow")

        assert "mongojobs schedules edit --kwargs" in operator.text("/schedule/edit?name=letter")
        assert (letter.get().handler["kwargs"], letter.get().options) == ({"text": "hi"}, {"queue": "slow"})

    def test_are_hidden_where_nobody_wants_them_and_stay(self, app, reports):
        visitor = Visitor(app, show_arguments=False)

        change(visitor, queue="fast")

        assert "books" not in visitor.text("/schedule/edit?name=reports")
        assert "argument-0" not in visitor.text("/schedule/edit?name=reports")
        assert reports.get().options["meta"] == {"team": "books"}
        assert reports.get().handler["args"] == ["x"]

    def test_and_meta_that_hold_a_secret_are_not_shown(self, app, operator):
        app.schedule("secretive", report, every="1h", meta={"token": "c4n4ry"})

        assert "c4n4ry" not in operator.text("/schedule/edit?name=secretive")
        change(operator, "secretive", queue="fast")
        assert app.schedule_of("secretive").get().options["meta"] == {"token": "c4n4ry"}


class TestANewOne:
    FORM = {"name": "fresh", "job": "test_schedule_forms.report", "when": "15m", "args": '["x"]', "queue": "slow"}

    def send(self, operator, **typed):
        return operator.post("/schedules/add/change", self.FORM | typed)

    def test_is_added(self, app, operator):
        answer = self.send(operator, kwargs='{"password": "y"}')

        found = app.schedule_of("fresh").get()
        assert answer.headers["Location"] == "/schedule?name=fresh&did=add-schedule&n=1"
        assert (found.source, found.said.due.text, found.options) == ("operator", "15m", {"queue": "slow"})
        assert (found.handler["args"], found.handler["kwargs"]) == (["x"], {"password": "y"})

    def test_of_a_job_object_is_added(self, app, operator):
        self.send(operator, job="test_schedule_forms.Letter", args="", kwargs='{"text": "hi"}')

        assert app.schedule_of("fresh").get().handler["kwargs"] == {"text": "hi"}

    def test_can_name_each_declared_job(self, operator):
        page = operator.text("/schedules/add")

        assert '<option value="test_schedule_forms.report">' in page
        assert '<option value="test_schedule_forms.Letter">' in page

    def test_is_reported(self, app):
        told = []

        self.send(Visitor(app, on_action=told.append))

        [action] = told
        assert (action.action, action.target) == (
            "add schedule",
            {"schedule": "fresh", "job": "test_schedule_forms.report"},
        )

    @pytest.mark.parametrize(
        ("option", "typed", "told"),
        [
            ("name", "", "the name of a schedule must be a printable text"),
            ("name", "reports", "there is a schedule called 'reports' already: edit that one"),
            ("job", "no.job", "no job is registered under the name 'no.job'"),
            ("args", "x", "args must be written as JSON: a list, such as"),
            ("args", "{}", "args must be written as JSON: a list, such as"),
            ("args", "[1, 2, 3]", "too many positional arguments"),
            ("kwargs", "[]", "kwargs must be written as JSON: an object, such as"),
            ("when", "", "'' is not a schedule"),
            ("tz", "Mars", "tz must be the name of a time zone"),
        ],
    )
    @pytest.mark.usefixtures("reports")
    def test_that_cannot_be_is_refused_beside_the_field(self, app, operator, option, typed, told):
        answer = self.send(operator, **{"description": "kept", option: typed})

        assert answer.status_code == 400
        assert told in problem_of(answer, option)
        assert (form_of(answer.text)["description"], form_of(answer.text)[option]) == ("kept", typed)
        assert [schedule.name for schedule in app.schedules()] == ["reports"]


class TestABackfill:
    FORM = {"name": "often", "since": "2029-12-31T22:00", "until": "2030-01-01T00:00"}

    @pytest.fixture
    def often(self, app):
        return app.schedule("often", report, every="15m", tz="Europe/Athens")

    def send(self, operator, **form):
        return operator.post("/schedule/backfill/change", self.FORM | form)

    def test_says_first_how_many_jobs_there_would_be(self, app, operator, often):
        asked = self.send(operator)

        assert "Enqueue 8 jobs of often?" in asked.text
        assert app.count().number == 0

    def test_enqueues_them_once_that_is_confirmed(self, app, operator, often):
        asked = self.send(operator)
        answer = operator.post("/schedule/backfill/change", form_of(asked.text))

        assert "8 jobs enqueued" in operator.text(answer.headers["Location"])
        assert moments(app)[0] == "20:00"
        assert app.count().number == 8
        assert often.get().ticks[-1].by == "olga"

    def test_is_reported(self, app, often):
        told = []

        self.send(Visitor(app, on_action=told.append), confirmed="1")

        [action] = told
        assert (action.user, action.action, action.count) == ("olga", "backfill schedule", 8)
        assert action.target["since"] == "2029-12-31T20:00:00+00:00"

    def test_is_reported_too_where_not_all_could_be_enqueued(self, app, operator):
        app.schedule("often", report, every="15m", unique_key="one")
        told = []

        answer = self.send(Visitor(app, on_action=told.append), confirmed="1")

        assert answer.status_code == 409
        assert "7 of 8 ticks were not enqueued" in answer.text
        assert [action.action for action in told] == ["backfill schedule"]

    @pytest.mark.parametrize(
        ("form", "option", "told"),
        [
            ({"since": ""}, "since", "must be a time such as 2026-10-01T09:00, got ''"),
            ({"until": "soon"}, "until", "must be a time such as"),
            ({"until": "2029-12-31T21:00"}, "until", "since must be earlier than until"),
            ({"since": "2029-12-31T23:55", "until": "2029-12-31T23:56"}, "until", "it has no ticks in this time"),
            (
                {"since": "2029-12-01T00:00"},
                "until",
                "that is 2,976 jobs, and at most 1,000 can be enqueued here at once",
            ),
            ({"since": "2028-12-01T00:00"}, "until", "at most 10,000 ticks"),
        ],
    )
    @pytest.mark.usefixtures("often")
    def test_that_cannot_be_is_refused_beside_the_field(self, app, operator, form, option, told):
        answer = self.send(operator, confirmed="1", **form)

        assert answer.status_code == 400
        assert told in problem_of(answer, option)
        assert form_of(answer.text)["since"] == (self.FORM | form)["since"]
        assert app.count().number == 0

    def test_shows_the_command_that_does_the_same(self, operator, often):
        page = html.unescape(self.send(operator).text)

        assert "schedules backfill often --since 2029-12-31T20:00:00+00:00 --until 2029-12-31T22:00:00+00:00" in page


class TestARemoval:
    def send(self, operator, **form):
        return operator.post("/schedule/change", {"name": "reports", "action": "remove", **form})

    def test_asks_first(self, app, operator, reports):
        asked = self.send(operator)

        assert "Remove reports?" in asked.text
        assert "Its jobs stay" in asked.text
        assert len(app.schedules()) == 1

    def test_removes_it(self, app, operator, reports):
        asked = self.send(operator)
        answer = operator.post("/schedule/change", form_of(asked.text))

        assert "1 schedule removed" in operator.text(answer.headers["Location"])
        assert app.schedules() == []

    def test_is_reported(self, app, reports):
        told = []

        self.send(Visitor(app, on_action=told.append), confirmed="1")

        assert [(action.action, action.target) for action in told] == [("remove schedule", {"schedule": "reports"})]

    def test_says_that_code_brings_it_back(self, app, operator):
        with code((report, every("1h", name="reports"))):
            ticks(app)

        assert "It comes back when a worker starts with that code" in self.send(operator).text
        self.send(operator, confirmed="1")
        assert app.schedules() == []


def test_one_that_a_living_worker_declares_is_not_removed(connection):
    app = mongojobs.configure()
    with code((report, every("1h", name="hourly"))), working(name="ada"):
        eventually(lambda: app.declarers("hourly") == ["ada"])
        eventually(app.schedules)
        operator = Visitor(app)

        asked = operator.post("/schedule/change", {"name": "hourly", "action": "remove"})
        answer = operator.post("/schedule/change", {"name": "hourly", "action": "remove", "confirmed": "1"})

        assert "The code of the worker <bdi>ada</bdi> declares this schedule" in asked.text
        assert "danger" not in asked.text
        assert (answer.status_code, len(app.schedules())) == (409, 1)


class TestSomebodyWhoMayOnlyLook:
    @pytest.mark.parametrize(
        "page", ["/schedule/edit?name=reports", "/schedule/backfill?name=reports", "/schedules/add"]
    )
    def test_is_refused_each_form(self, app, reports, page):
        assert Visitor(app, VIEWER).get(page).status_code == 403

    @pytest.mark.parametrize(
        ("path", "form"),
        [
            ("/schedule/edit/change", {"tz": "UTC"}),
            ("/schedule/backfill/change", {"since": "2029-12-01", "until": "2029-12-02", "confirmed": "1"}),
            ("/schedules/add/change", {"name": "x", "job": "test_schedule_forms.report", "when": "1h"}),
            *(("/schedule/change", {"action": one, "confirmed": "1"}) for one in ("run", "pause", "resume", "remove")),
        ],
    )
    def test_changes_nothing(self, app, reports, path, form):
        before = reports.get()

        assert Visitor(app, VIEWER).post(path, {"name": "reports", **form}).status_code == 403
        assert app.schedules() == [before]

    def test_is_offered_nothing(self, app, reports):
        pages = [Visitor(app, VIEWER).text(path) for path in ("/schedules", "/schedule?name=reports")]

        assert not re.search(r"<form|<button name=|Add a schedule|Edit…|Backfill…|Remove…", "".join(pages))


@pytest.mark.parametrize("page", ["/schedule/edit", "/schedule/backfill"])
@pytest.mark.parametrize(
    "field",
    ["spec", "spec.options", "spec.handler", "spec.starts", "spec.tz", "spec.options.meta", "spec.options.queue"],
)
def test_a_planted_schedule_has_a_form_or_is_refused_in_a_sentence(app, operator, reports, page, field):
    store = app.schedule_store.collection
    sound = store.find_one({"_id": "reports"})
    for number, value in enumerate(ODD):
        store.insert_one({**sound, "_id": f"planted {number}"})
        store.update_one({"_id": f"planted {number}"}, {"$set": {field: value}})

    shown = {operator.get(f"{page}?name=planted {number}").status_code for number in range(len(ODD))}

    assert shown <= {200, 409}


def test_one_that_is_not_there_is_told_in_a_sentence(operator, app):
    pages = [operator.get(f"{page}?name=none").status_code for page in ("/schedule/edit", "/schedule/backfill")]

    assert pages == [404, 404]


def test_no_text_of_a_schedule_becomes_markup(app, operator):
    hostile = '"><img src=x onerror="window.hacked = 1">'
    app.schedule(hostile, report, every="15m", args=(hostile,), description=hostile, tags=[hostile], unique_key=hostile)
    form = {"name": hostile, "since": "2029-12-01T00:00", "until": "2029-12-02T00:00"}
    pages = [
        *(operator.open(path, query_string=form) for path in ("/schedule/edit", "/schedule/backfill", "/schedule")),
        operator.post("/schedule/edit/change", {**form, "tz": hostile}),
        operator.post("/schedules/add/change", {**form, "job": hostile, "when": hostile, "args": hostile}),
        operator.post("/schedule/backfill/change", form),
        operator.post("/schedule/backfill/change", {**form, "since": hostile}),
        operator.post("/schedule/change", {**form, "action": "remove"}),
    ]

    assert [page.status_code for page in pages] == [200, 200, 200, 400, 400, 200, 400, 200]
    assert [page.text.count("<img") for page in pages] == [0] * len(pages)
