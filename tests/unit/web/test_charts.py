"""Figures in columns."""

from datetime import UTC, datetime, timedelta

from mongojobs.core.stats import STEPS, RunStats, Stats, StatsRow, Step
from mongojobs.web.charts import RANGES, Summary, columns

START = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def a_part(by: Step, since: datetime, rows: list[StatsRow]) -> Stats:
    return Stats(since=since, until=since + STEPS[by], by=by, rows=tuple(rows))


def some(runs: int) -> RunStats:
    figures = RunStats()
    figures.outcomes["completed"] = runs
    return figures


def test_columns_add_up_minutes():
    minutes = {START + n * MINUTE: some(n) for n in range(12)}

    made = columns(minutes, 6 * MINUTE)

    assert [(column.at, column.figures.runs) for column in made] == [(START, 15), (START + 6 * MINUTE, 51)]


def test_no_range_has_more_columns_than_can_be_seen():
    assert {key: one.span // one.column <= 60 for key, one in RANGES.items()} == dict.fromkeys(RANGES, True)


def test_a_summary_adds_up_all_parts():
    hour = a_part("hour", START, [StatsRow(at=START, name=name, queue="q", figures=some(2)) for name in "ab"])
    minutes = a_part("minute", START + HOUR, [StatsRow(at=START + HOUR, name="b", queue="r", figures=some(3))])

    found = Summary((hour, minutes))

    assert {name: figures.runs for name, figures in found.by_name.items()} == {"a": 2, "b": 5}
    assert {queue: figures.runs for queue, figures in found.by_queue.items()} == {"q": 4, "r": 3}
    assert found.span == HOUR + MINUTE
