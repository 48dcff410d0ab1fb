"""Figures in columns."""

from datetime import UTC, datetime, timedelta

from mongojobs.core.figures import Figures, Row, Stats
from mongojobs.web.charts import RANGES, Summary, columns

START = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def some(runs: int) -> Figures:
    figures = Figures()
    figures.outcomes["completed"] = runs
    return figures


def test_columns_add_up_minutes():
    minutes = {START + n * MINUTE: some(n) for n in range(12)}

    made = columns(minutes, 6 * MINUTE)

    assert [(column.at, column.figures.runs) for column in made] == [(START, 15), (START + 6 * MINUTE, 51)]


def test_one_name_is_counted_alone_in_all_columns():
    rows = (
        Row(at=START, name="a", queue="q", figures=some(3)),
        Row(at=START + MINUTE, name="b", queue="q", figures=some(5)),
    )
    stats = Stats(since=START, until=START + 2 * MINUTE, by="minute", rows=rows)

    assert [column.figures.runs for column in Summary(stats, MINUTE).columns_of("a")] == [3, 0]


def test_no_range_has_more_columns_than_can_be_seen():
    assert {key: one.span // one.column <= 60 for key, one in RANGES.items()} == dict.fromkeys(RANGES, True)


def test_a_summary_adds_up_all_rows():
    rows = tuple(Row(at=START + n * MINUTE, name="ab"[n % 2], queue="q", figures=some(n)) for n in range(4))

    found = Summary(Stats(since=START, until=START + 4 * MINUTE, by="minute", rows=rows), 2 * MINUTE)

    assert found.total.runs == found.by_queue["q"].runs == sum(column.figures.runs for column in found.columns) == 6
    assert {name: figures.runs for name, figures in found.by_name.items()} == {"a": 2, "b": 4}
