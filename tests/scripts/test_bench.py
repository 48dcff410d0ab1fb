"""`scripts/bench` works; no test says how fast anything is."""

import json
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.bench.figures import Figure, Result, gathered, keep, put, table
from tests.bench.records import rate, record
from tests.support.command_line import ROOT, clean_environ

QUICK = (
    "enqueues",
    "sustained",
    "rare",
    "beginnings",
    "executors",
    "job_cost",
    "result_cost",
    "largest",
    "waits",
    "idle",
    "keys",
)

LOG = """\
2026-11-28T10:00:00.000Z: [Worker(host:a pid:1)] Starting job worker: queues=*
2026-11-28T10:00:01.000Z: [Worker(host:a pid:1)] Job nothing (id=1) (queue=default) RUNNING
2026-11-28T10:00:01.200Z: [Worker(host:a pid:1)] Job nothing (id=1) (queue=default) COMPLETED after 0.1 ms
2026-11-28T10:00:01.300Z: [Worker(host:a pid:1)] Job nothing (id=2) (queue=default) RUNNING
2026-11-28T10:00:01.400Z: [Worker(host:a pid:1)] Job nothing (id=2) (queue=default) COMPLETED after 0.1 ms
2026-11-28T10:00:02.500Z: [Worker(host:a pid:1)] 2 jobs processed at 1.33 jobs/s, 0 failed
2026-11-28T10:00:09.000Z: [Worker(host:a pid:1)] Stopped
"""


class TestTheBench:
    @pytest.mark.usefixtures("unmeasured")
    def test_measures_and_prints_json(self, mongo_uri):
        only = [word for name in QUICK for word in ("--only", name)]

        ended = _bench("--quick", "--json", "--backlog", "20000", *only, environ={"MONGODB_URI": mongo_uri})

        assert ended.returncode == 0, ended.stderr
        measured = {one["figure"]: one["median"] for one in json.loads(ended.stdout)}
        assert {
            "enqueue one / insert_one",
            "last 5k / first 5k of 60k",
            "ms, mongojobs --help",
            "drain, executor process / executor thread",
            "drain, with unique keys / without",
            "us of CPU a job, worker with its log to a pipe",
            "CPU of a job that keeps its result / a plain job",
            "drain at the largest backlog / at 1k",
            "jobs that wait 1 ms, 16 threads / ideal",
            "ms from enqueue to body, p95 / bare loop",
        } <= measured.keys()
        # The difference of two things so small may be anything.
        assert min(value for name, value in measured.items() if "more" not in name and "CPU" not in name) > 0

    def test_begins_no_backlog_that_the_disk_cannot_hold(self, mongo_uri):
        ended = _bench("--only", "largest", "--backlog", str(10**12), environ={"MONGODB_URI": mongo_uri})

        assert ended.returncode == 1
        assert "has too little room: give a smaller --backlog" in ended.stderr
        assert "Traceback" not in ended.stderr


class TestTheLogOfAWorker:
    def test_says_how_fast_jobs_were_drained(self):
        first = record(LOG)
        second = record(LOG.replace("T10:00:", "T10:01:"))

        assert (len(first.started), len(first.completed)) == (2, 2)
        assert rate([first]) == 2 / 1.5
        assert rate([first, second, record("")]) == 4 / 61.5


class TestWhatIsSaved:
    def test_is_joined_with_other_runs(self, tmp_path):
        runs = tmp_path / "runs.jsonl"
        keep({"ratio": 1.0, "jobs/s": 100.0}, runs)
        keep({"ratio": 3.0}, runs)

        joined = _bench("--join", str(runs), "--join", str(runs))

        assert "| ratio | 2 | 1 to 3 |  |  |  |" in joined.stdout
        assert "| jobs/s | 100 | 100 to 100 |  |  |  |" in joined.stdout


class TestTheTable:
    def test_says_what_is_missed_and_what_is_reached(self):
        ratio, late = Figure("ratio", ">=", 0.4, 0.75), Figure("late", "<=", 30, 10)

        results = gathered([{"late": 31, "ratio": 0.8}, {"late": 35, "ratio": 0.7}], {"ratio": ratio, "late": late})

        assert [(one.figure.name, one.median, one.verdict) for one in results] == [
            ("ratio", 0.75, "aim"),
            ("late", 33, "MISSED"),
        ]
        assert "| ratio | 0.75 | 0.7 to 0.8 | >= 0.4 | >= 0.75 | aim |" in table(results)

    def test_has_what_is_no_figure_at_its_end(self):
        results = gathered([{"jobs/s": 1234.5, "ratio": 1}], {"ratio": Figure("ratio", ">=", 2)})

        assert [(one.figure.name, one.verdict) for one in results] == [("ratio", "MISSED"), ("jobs/s", "")]
        assert Result(Figure("jobs/s"), (1234.5,)).median == 1234.5


class TestAPageWithTheTable:
    PAGE = """\
What was measured:

| figure | median | spread | must | aim | |
|---|---|---|---|---|---|
| late | 1 | 1 to 1 | <= 30 | <= 10 | aim |
| size | 2 | 2 to 2 | <= 3 |  | aim |

And why.
"""

    @pytest.fixture
    def page(self, tmp_path):
        page = tmp_path / "page.md"
        page.write_text(self.PAGE)
        return page

    def test_has_what_was_measured_in_place_of_what_was_before(self, page):
        put(table([Result(Figure("late", "<=", 30, 10), (31, 35, 32)), Result(Figure("new", "<=", 1), (0.5,))]), page)

        assert page.read_text() == self.PAGE.replace(
            "| late | 1 | 1 to 1 | <= 30 | <= 10 | aim |", "| late | 32 | 31 to 35 | <= 30 | <= 10 | MISSED |"
        ).replace("\n\nAnd", "\n| new | 0.5 | 0.5 to 0.5 | <= 1 |  | aim |\n\nAnd")

    def test_is_left_as_it_is_if_the_table_is_not_on_it(self, page):
        put("| peer | jobs/s |\n|---|---|\n| another | 1 |", page)

        assert page.read_text() == self.PAGE


def _bench(*arguments: str, environ: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.bench", *arguments],
        cwd=ROOT,
        env=clean_environ(environ),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
