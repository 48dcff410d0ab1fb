"""What the dashboard tells of a time: in its charts, and for each name of jobs."""

import re
from collections import defaultdict
from datetime import timedelta

import pytest

from mongojobs.core.figures import STEPS, Tally, begin_of
from mongojobs.store.stats import StatsStore
from mongojobs.web.charts import RANGES

HOURS_AGO = (0, 0.1, 0.6, 0.9, 1.5, 3, 5.2, 5.9, 7, 13, 23, 26, 49, 75, 120, 166, 170)
"""When a job was completed; another one each time."""


@pytest.fixture
def now(app):
    return app.store.clock.now()


@pytest.fixture
def completed(app, now):
    """Figures as a worker would have stored them that completed a job at each of those times."""
    tallies = defaultdict(Tally)
    for number, hours in enumerate(HOURS_AGO):
        for step in STEPS:
            period = step, begin_of(step, now - timedelta(hours=hours))
            figures = tallies[period].of(f"job{number % 3}", "mail")
            figures.outcomes["completed"] += 1
            figures.run.add(1)
    stats = StatsStore(app.store.collection, app.store.clock, app.settings)
    for (step, at), tally in tallies.items():
        stats.write(step, at, tally, process="p", worker="w")


@pytest.mark.parametrize("span", RANGES)
def test_names_and_charts_tell_the_same_of_each_range(operator, now, completed, span):
    chosen = RANGES[span]
    begin = begin_of(chosen.step, now - chosen.span)
    expected = sum(now - timedelta(hours=hours) >= begin for hours in HOURS_AGO)

    performance = operator.text(f"/performance?range={span}")
    overview = operator.text(f"/?range={span}")

    assert f"{expected} completed" in overview
    assert charted(performance) == charted(overview) == expected
    assert sum(map(int, re.findall(r'data-label="Runs" class="number">(\d+)<', performance))) == expected


@pytest.mark.parametrize("span", RANGES)
def test_one_name_has_a_chart_of_its_own(operator, now, completed, span):
    chosen = RANGES[span]
    begin = begin_of(chosen.step, now - chosen.span)
    expected = sum(now - timedelta(hours=hours) >= begin for hours in HOURS_AGO[1::3])

    page = operator.text(f"/performance?range={span}&name=job1")

    assert charted(page) == expected


def charted(page):
    """Return how many completed jobs the chart of runs tells of."""
    runs = page.partition("Runs by time")[2].partition("</table>")[0]
    columns = re.findall(r'</td><td class="number" data-value="(\d+)">', runs)
    return sum(map(int, columns[::4]))
