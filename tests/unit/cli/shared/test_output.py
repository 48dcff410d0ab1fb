import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from bson import Int64, ObjectId

from mongojobs.cli.shared.failures import Failure
from mongojobs.cli.shared.output import TableColumn, confirm, plain, print_table, shortened
from mongojobs.core.words.wording import ago, counted, in_words, iso, printable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0ms"),
        (0.85, "850ms"),
        (2.64, "2.6s"),
        (12, "12s"),
        (200, "3m 20s"),
        (3600, "1h"),
        (187200, "2d 4h"),
        (-5, "0ms"),
    ],
)
def test_durations_are_in_their_two_largest_units(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(("seconds", "words"), [(-60, "1m ago"), (60, "in 1m")])
def test_moments_are_told_from_now(seconds, words):
    assert ago(NOON + timedelta(seconds=seconds), NOON) == words


def test_times_are_in_utc_with_milliseconds():
    athens = timezone(timedelta(hours=2))

    assert iso(datetime(2026, 11, 23, 12, 0, 0, 1999, tzinfo=athens)) == "2026-11-23T10:00:00.001Z"


@pytest.mark.parametrize(
    ("value", "as_json"),
    [
        (ObjectId("a" * 24), "a" * 24),
        (Int64(2**40), 2**40),
        (float("nan"), "nan"),
        (b"\x00\xff", "00ff"),
        (timedelta(minutes=1), 60.0),
        ({"a": (NOON, None)}, {"a": ["2026-11-23T12:00:00.000Z", None]}),
    ],
)
def test_values_become_what_json_knows(value, as_json):
    assert plain(value) == as_json


def test_texts_of_strangers_cannot_command_the_terminal():
    assert printable("\x1b[2Jname\n\u202e") == "\\x1b[2Jname\\n\\u202e"


def test_numbers_of_things_are_words():
    assert [counted(1, "job"), counted(1200, "job"), counted(2, "index")] == ["1 job", "1,200 jobs", "2 indexes"]


def test_long_texts_are_cut():
    assert [shortened("12345", 5), shortened("123456", 5)] == ["12345", "1234…"]


def test_columns_are_aligned_numbers_to_the_right(capsys):
    print_table([TableColumn("QUEUE"), TableColumn("READY", is_number=True)], [("mail", 1), ("newsletters", 100_000)])

    assert capsys.readouterr().out.splitlines() == [
        "QUEUE         READY",
        "mail              1",
        "newsletters  100000",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestConfirm:
    def test_asks_on_a_terminal(self, monkeypatch, capsys):
        monkeypatch.setattr("sys.stdin", Terminal("y\n"))

        confirm("Delete 3 jobs?", yes=False)

        assert "Delete 3 jobs? [y/N]" in capsys.readouterr().err

    def test_goes_no_further_when_declined(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", Terminal("n\n"))

        with pytest.raises(Failure, match="nothing was deleted") as refused:
            confirm("Delete 3 jobs?", yes=False)
        assert refused.value.exit_code == 1

    def test_refuses_where_nobody_can_be_asked(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

        with pytest.raises(Failure, match=r"Delete 3 jobs.* --yes") as refused:
            confirm("Delete 3 jobs?", yes=False)
        assert refused.value.exit_code == 2

    def test_asks_nothing_when_told_so(self, capsys):
        confirm("Delete 3 jobs?", yes=True)

        assert capsys.readouterr().err == ""
