"""The examples of docs/jobs.md are run, and do what the page says of them."""

import dataclasses
import re
from datetime import timedelta

import pytest

import mongojobs
from mongojobs.cli.enqueue import enqueue
from mongojobs.core.fields import kind_of
from mongojobs.core.job import JOB_OPTIONS
from mongojobs.enqueuing.declarations import Declared
from mongojobs.enqueuing.options import OPTIONS, Options
from tests.support.clock import START, HeldClock
from tests.support.command_line import ROOT
from tests.support.documents import User
from tests.support.pages import examples_of
from tests.support.working import work_off

TEXT = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")


OPTIONS_TABLE = re.compile(r"(?<=tests/test_jobs_page.py -->\n).*?(?=<!-- end of options)", re.DOTALL)
VALUES = {
    "str": "a text",
    "int": "a whole number",
    "datetime": "a `datetime` with a time zone",
    "Bytes": "a size: bytes, or a text such as `64k`",
    "timedelta": "a duration: `timedelta`, seconds, or a text such as `5m`",
    "tuple[str, ...]": "a list of texts",
    "Mapping[str, Any]": "a dict",
    "JobId": "a text, a whole number, or an `ObjectId`",
    "Unique": "`True`, `False`, the name of an argument, a tuple of names, or a function of the arguments",
    "Session": "a `ClientSession`",
}


def options_table():
    """The options of an enqueue as a table in Markdown."""
    flags = {parameter.name: parameter for parameter in enqueue.params}
    rows = [
        f"| `{field.name}` | {VALUES[kind_of(field)]} | {OPTIONS[field.name].text} | {flag(flags.get(field.name))} |"
        for field in dataclasses.fields(Options)
    ]
    return "\n".join(["| option | values | what it is | `mongojobs enqueue` |", "|---|---|---|---|", *rows]) + "\n"


def flag(parameter):
    return f"`{parameter.opts[-1]} {parameter.metavar}`" if parameter else ""


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """Imports a module of the page, once."""
    with examples_of("jobs.md", tmp_path_factory.mktemp("page")) as load:
        yield load


@pytest.fixture
def app(connection):
    yield mongojobs.configure(clock=HeldClock(), retry_jitter=0)
    mongojobs.configure()


@pytest.fixture
def reference(load, app):
    return load("reference")


class TestTheReference:
    @pytest.mark.parametrize(
        ("name", "args", "state"),
        [
            ("call_partner", ("away",), "ready"),
            ("call_partner", ("odd",), "failed"),
            ("call_slow_partner", (), "ready"),
            ("charge", (), "failed"),
            ("send_offer", (), "cancelled"),
            ("send_last_offer", (), "cancelled"),
        ],
    )
    def test_says_which_errors_are_tried_again(self, app, reference, name, args, state):
        job = getattr(reference, name).delay(*args)

        work_off()

        assert app.get(job.id).state == state

    @pytest.mark.parametrize(
        ("name", "state"), [("greet", "failed"), ("greet_if_there", "cancelled"), ("greet_in_the_end", "ready")]
    )
    def test_says_what_becomes_of_a_job_without_its_document(self, app, reference, name, state):
        person = User(name="Ann").save()
        job = getattr(reference, name).delay(person)
        person.delete()

        work_off()

        assert app.get(job.id).state == state

    @pytest.mark.parametrize(
        ("name", "delay"),
        [
            ("again_in_a_minute", timedelta(minutes=1)),
            ("again_in_five", timedelta(minutes=5)),
            ("again_in_an_hour", timedelta(hours=1)),
            ("again_later_and_later", timedelta(seconds=20)),
            ("again_by_a_list", timedelta(seconds=10)),
        ],
    )
    def test_says_when_a_job_runs_again(self, app, reference, name, delay):
        job = getattr(reference, name).delay()

        work_off()

        assert app.get(job.id).run_at == START + delay

    def test_names_every_option_of_a_declaration(self):
        rows = "".join(re.findall(r"^\| (`\w+`.*?) \|", TEXT, re.MULTILINE))

        assert [name for name in Declared.__annotations__ if f"`{name}`" not in rows] == []

    def test_lists_the_options_of_an_enqueue(self):
        assert OPTIONS_TABLE.search(TEXT)[0] == options_table()

    def test_names_every_option_that_a_hook_may_change(self):
        [sentence] = re.findall(r"it may change (.*?), by the\s", TEXT, re.DOTALL)

        assert re.findall(r"`(\w+)`", sentence) == list(JOB_OPTIONS)


class TestAnExample:
    def test_of_decorators_runs(self, app, load, capsys):
        load("stacked").enqueue()

        assert work_off() == (1, 0)

        assert capsys.readouterr().out == "load a.png by a connection\n"

    def test_of_super_runs_each_body_once(self, app, load, capsys):
        load("overridden").Recipe(title="Soup").save().reindex()

        assert work_off() == (2, 0)

        assert capsys.readouterr().out == "index the ingredients\nindex the words\n"
