"""What the dashboard shows of a time span: in its charts, and for each name of jobs."""

import re
from collections import defaultdict
from datetime import timedelta

import pytest

import mongojobs
from mongojobs.core.stats import STEPS, StatsByJob, begin_of
from mongojobs.store.stats.stats_store import StatsStore
from mongojobs.web.charts import RANGES
from tests.support.clock import START, HeldClock
from tests.support.dashboard import Visitor

HOURS_AGO = (0, 0.1, 0.6, 0.9, 1.5, 3, 5.2, 5.9, 7, 13, 23, 26, 49, 75, 120, 166, 170)
"""When a job was completed; another one each time."""


@pytest.fixture
def app(connection):
    """The default app, in the middle of a day, an hour and a minute."""
    yield mongojobs.configure(clock=HeldClock(START + timedelta(minutes=20, seconds=30)))
    mongojobs.configure()


@pytest.fixture
def now(app):
    return app.store.clock.now()


@pytest.fixture
def completed(app, now):
    """The figures that a worker would have stored after completing a job at each of those times."""
    tallies = defaultdict(StatsByJob)
    for number, hours in enumerate(HOURS_AGO):
        for step in STEPS:
            period = step, begin_of(step, now - timedelta(hours=hours))
            figures = tallies[period].of(f"job{number % 3}", "mail")
            figures.outcomes["completed"] += 1
            figures.run.add(1)
    for (step, at), tally in tallies.items():
        app.stats_store.write({(step, at, "p"): tally}, worker="w")


@pytest.mark.parametrize("span", RANGES)
def test_names_and_charts_tell_the_same_of_each_range(operator, now, completed, span):
    expected = completed_in(span, now, HOURS_AGO)

    performance = operator.text(f"/performance?range={span}")
    overview = operator.text(f"/?range={span}")

    assert f"{expected} completed" in overview
    assert charted(performance) == charted(overview) == expected
    assert sum(named(performance)) == expected


@pytest.mark.parametrize("span", RANGES)
def test_one_name_has_a_chart_of_its_own(operator, now, completed, span):
    page = operator.text(f"/performance?range={span}&name=job1")

    assert charted(page) == completed_in(span, now, HOURS_AGO[1::3])


def test_each_name_keeps_its_own_chart_beside_that_of_all(operator, completed):
    found = [charted(operator.text(f"/performance?range=7d{name}")) for name in ("", "&name=job0", "&name=job1", "")]

    assert found == [16, 6, 5, 16]


@pytest.fixture
def asked(monkeypatch):
    """The steps of the figures that are read, and whether apart."""
    asked, read = [], StatsStore.read

    def note(store, **question):
        asked.append((question["by"], question["apart"]))
        return read(store, **question)

    monkeypatch.setattr(StatsStore, "read", note)
    return asked


def test_what_a_page_has_just_read_it_does_not_read_again(operator, asked):
    operator.text("/performance?range=7d&name=job0")
    before = list(asked)
    operator.text("/performance?range=7d&name=job0")

    assert asked == before != []


def test_long_times_are_read_by_days_and_the_chart_of_all_together(app, completed, asked):
    Visitor(app).text("/performance?range=7d")

    assert ("day", True) in asked
    assert [apart for by, apart in asked if by == "hour"].count(False) == 1


@pytest.mark.parametrize("path", ["/performance", "/queues", "/jobs/known"])
def test_a_table_by_name_or_queue_is_added_up_once_and_not_minute_by_minute(app, now, monkeypatch, path):
    tally = StatsByJob()
    tally.of("job0", "mail").outcomes["completed"] = 1
    times = [begin_of("minute", now - timedelta(minutes=minutes)) for minutes in (30, 40, 50)]
    app.stats_store.write({("minute", at, "p"): tally for at in times}, worker="w")
    read, rows = StatsStore.read, []

    def note(store, **question):
        stats = read(store, **question)
        rows.extend(row.figures.runs for row in stats.rows if question["apart"])
        return stats

    monkeypatch.setattr(StatsStore, "read", note)

    Visitor(app).text(path)

    assert rows == [3]


def test_names_too_many_to_read_are_reported_like_the_chart(app, now, completed, monkeypatch):
    tally = StatsByJob()
    tally.of("job0", "mail").outcomes["completed"] = 1
    for process in range(11):
        app.stats_store.write({("day", begin_of("day", now), f"another{process}"): tally}, worker="w")
    monkeypatch.setattr("mongojobs.store.stats.stats_store.MOST_READ", 10)

    page = Visitor(app).text("/performance?range=24h")

    assert sum(named(page)) == charted(page) > 0


@pytest.mark.parametrize("span", RANGES)
def test_names_and_charts_tell_the_same_where_little_is_kept(app, now, completed, span):
    kept = timedelta(hours=2)
    app = mongojobs.configure(stats_retention=kept, clock=app.store.clock)
    stats = app.stats_store.collection
    for step, length in STEPS.items():  # as the server removes them
        stats.delete_many({"_id": {"$regex": f"^{step} "}, "at": {"$lt": now - length - kept}})

    page = Visitor(app).text(f"/performance?range={span}")

    assert sum(named(page)) == charted(page) > 0


def test_what_is_told_of_many_others_together_leads_nowhere(app, now):
    tally = StatsByJob()
    for number in range(202):
        tally.of(f"job{number}", "mail").outcomes["completed"] = 1
    for step in STEPS:
        app.stats_store.write({(step, begin_of(step, now), "p"): tally}, worker="w")

    page = Visitor(app).text("/performance?range=24h&sort=runs")

    assert "<bdi>(other)</bdi>" in page
    assert not re.search(r"name=[^&\"]*other", page)


def completed_in(span, now, hours_ago):
    """Return how many of the jobs that were completed so long ago are in the range called *span*."""
    chosen = RANGES[span]
    begin = begin_of(chosen.step, now - chosen.span)
    return sum(now - timedelta(hours=hours) >= begin for hours in hours_ago)


def named(page):
    """Return how many runs each name has in the table."""
    return list(map(int, re.findall(r'data-label="Runs" class="number">(\d+)<', page)))


def charted(page):
    """Return how many completed jobs the chart of runs shows."""
    runs = page.partition("Runs by time")[2].partition("</table>")[0]
    columns = re.findall(r'</td><td class="number" data-value="(\d+)">', runs)
    return sum(map(int, columns[::4]))


def test_calls_that_were_merged_are_told_beside_the_runs_of_their_name(app, now):
    tally = StatsByJob()
    tally.of("sync", "mail").merged = 41
    tally.of("sync", "mail").outcomes["completed"] = 2
    tally.of("send", "mail").outcomes["completed"] = 1
    app.stats_store.write({(step, begin_of(step, now), "p"): tally for step in STEPS}, worker="w")

    page = Visitor(app).text("/performance")

    assert page.count(" merged</span>") == page.count("41 merged</span>") == 1
