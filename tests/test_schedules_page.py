"""What docs/schedules.md says of times is what is worked out, and what it shows can be typed."""

import importlib
import re
import shlex
from datetime import UTC, date, datetime, time, timedelta

import pytest
from click.testing import CliRunner

import mongojobs
from mongojobs.cli.main import mongojobs as command_line
from mongojobs.schedules.times.expression import next_times, parse_times
from mongojobs.schedules.times.zones import zone_called
from tests.support.command_line import ROOT
from tests.support.pages import examples_of
from tests.support.schedules import code, ticks

TEXT = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")
TABLE = re.compile(r"(?<=tests/test_schedules_page.py -->\n).*?(?=<!-- end of clock changes)", re.DOTALL)
COMMANDS = re.findall(r"^\$ (mongojobs schedules next .*)$", TEXT, re.MULTILINE)
WRITTEN = [
    one
    for row in re.findall(r"^\| (`.*?) \|", TEXT.partition("## When")[2].partition("## Zones")[0], re.MULTILINE)
    for one in re.findall(r"`([^`]+)`", row)
    if "timedelta" not in one
]

EXPRESSIONS = ("30 0 * * *", "30 1 * * *", "30 2 * * *", "30 3 * * *", "*/30 3 * * *", "0 * * * *", "1h")
CHANGES = {
    ("Europe/Athens", "2027-03-28"): "3:00 → 4:00",
    ("Europe/Athens", "2027-10-31"): "4:00 → 3:00",
    ("America/New_York", "2027-03-14"): "2:00 → 3:00",
    ("America/New_York", "2027-11-07"): "2:00 → 1:00",
    ("Australia/Lord_Howe", "2027-10-03"): "2:00 → 2:30",
    ("Australia/Lord_Howe", "2027-04-04"): "2:00 → 1:30",
    ("Africa/Cairo", "2027-04-30"): "0:00 → 1:00",
    ("Africa/Cairo", "2027-10-28"): "24:00 → 23:00",
}


@pytest.fixture
def page(connection, tmp_path):
    """The app of the page: its modules can be imported."""
    with code(), examples_of("schedules.md", tmp_path):
        yield mongojobs.configure()
    mongojobs.configure()


def due_on(day, zone, expression):
    begin, end = (datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))
    due = next_times(parse_times(expression), begin - timedelta(seconds=1), zone, number=26)
    return [f"{one.astimezone(zone):%-H:%M}" for one in due if one < end]


def cell(due):
    return (", ".join(due) or "none") if len(due) < 5 else f"{len(due)} times"


def clock_changes_table():
    titles = " | ".join(f"`{one}`" for one in EXPRESSIONS)
    rows = [
        f"| {zone}, {day} | {change} | "
        + " | ".join(cell(due_on(date.fromisoformat(day), zone_called(zone), one)) for one in EXPRESSIONS)
        + " |"
        for (zone, day), change in CHANGES.items()
    ]
    return "\n".join([f"| day | clocks | {titles} |", "|---|---|" + "---|" * len(EXPRESSIONS), *rows]) + "\n"


def test_the_table_of_clock_changes_is_what_is_worked_out():
    [table] = TABLE.findall(TEXT)

    assert table == clock_changes_table()


@pytest.mark.parametrize("written", WRITTEN)
def test_what_the_page_says_can_be_written_can_be_read(written):
    assert parse_times(written)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_can_be_typed(command):
    done = CliRunner().invoke(command_line, shlex.split(command)[1:])

    assert (done.exit_code, done.exception) == (0, None)


class TestTheExamples:
    def test_of_a_users_test_passes(self, page, capsys):
        importlib.import_module("test_reports").test_the_report_comes_each_weekday(capsys)

    def test_of_code_are_stored_when_a_worker_starts(self, page):
        importlib.import_module("reports")

        ticks(page)

        assert [schedule.name for schedule in page.schedules()] == [
            "all prices",
            "fresh prices",
            "reports.morning_report",
        ]

    def test_of_an_app_do_what_they_say(self, page, capsys):
        importlib.import_module("closing")

        assert capsys.readouterr().out == "['close books']\n"
        assert sorted(found["_id"].split(":")[1] for found in page.store.collection.find()) == ["close books"] * 3
        assert page.schedules() == []
