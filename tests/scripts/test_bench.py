"""`scripts/bench` works; how fast anything is, no test tells."""

import json
import subprocess
import sys

from tests.bench.figures import Figure, Result, gathered, table
from tests.support.command_line import ROOT, clean_environ

QUICK = ("enqueues", "sustained", "rare", "beginnings", "executors")


class TestTheBench:
    def test_measures_and_prints_json(self, mongo_uri):
        only = [word for name in QUICK for word in ("--only", name)]

        ended = subprocess.run(
            [sys.executable, "-m", "tests.bench", "--quick", "--json", *only],
            cwd=ROOT,
            env=clean_environ({"MONGODB_URI": mongo_uri}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        assert ended.returncode == 0, ended.stderr
        measured = {one["figure"]: one["median"] for one in json.loads(ended.stdout)}
        assert {
            "enqueue one / insert_one",
            "last 5k / first 5k of 60k",
            "ms, mongojobs --help",
            "drain, 1 child / 1 thread",
        } <= measured.keys()
        assert min(value for name, value in measured.items() if "more" not in name) > 0


class TestTheTable:
    def test_tells_what_is_missed_and_what_is_reached(self):
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
