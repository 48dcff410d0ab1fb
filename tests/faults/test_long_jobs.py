"""A job longer than any worker lives: its rows are done while workers are stopped and killed around it."""

import time
from signal import Signals
from typing import NamedTuple

import pytest

from tests.support import row_jobs
from tests.support.harassment import harass, kinds
from tests.support.row_jobs import cursor_count, done, make_rows
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

HEARTBEAT = 0.5


class Size(NamedTuple):
    """How many rows, how long each takes, how long each worker lives, and how many are stopped before one is killed."""

    count: int
    pause: float
    every: float
    terms: int


SIZES = [
    pytest.param(Size(400, 0.005, 0.5, 2), id="400 rows"),
    pytest.param(Size(40_000, 0.001, 3, 6), id="40,000 rows", marks=pytest.mark.slow),
]


@pytest.fixture
def worker_environ():
    return {"MONGOJOBS_LEASE": "2", "MONGOJOBS_HEARTBEAT": str(HEARTBEAT), "MONGOJOBS_APP": row_jobs.__name__}


class TestAnImport:
    @pytest.mark.parametrize("size", SIZES)
    def test_is_done_once_a_row_however_often_its_workers_end(self, app, ledger, start, size):
        make_rows(size.count)
        job = row_jobs.imports_slowly.options(job_id="kept", max_run_time="1h").delay(str(ledger), size.pause)

        sent = harass(
            lambda: start("work"),
            ledger,
            lambda: app.get(job.id).state == "completed",
            every=size.every,
            deaths=kinds(size.terms),
        )

        rows, found = done(ledger), app.get(job.id)
        in_a_heartbeat = (HEARTBEAT + 0.5) / size.pause
        assert sorted({*rows}) == list(range(size.count))
        assert sent[Signals.SIGTERM] >= 2
        assert len(rows) - size.count <= sent[Signals.SIGTERM] + sent[Signals.SIGKILL] * in_a_heartbeat
        assert (found.attempts, found.cursors[0].get("aside")) == (0, None)


class TestAPoisonousRow:
    """Its quick twin, of eight rows: `behaviours/test_rows`."""

    @pytest.mark.slow
    def test_among_many_is_left_out_and_named_and_all_others_are_done(self, app, ledger, start):
        make_rows(count := 40_000)
        poisoned = row_jobs.imports_poison.options(job_id="kept", max_run_time="1h")
        job = poisoned.delay(str(ledger), [poison := 23_456], pause=0.001)

        workers = [start("work") for _ in range(4)]
        eventually(lambda: app.get(job.id).state == "completed", seconds=300)

        found, rows = app.get(job.id), done(ledger)
        assert sorted({*rows}) == [number for number in range(count) if number != poison]
        assert f"LEAVES OUT the row {poison} of Row: 3 workers died at it" in "".join(one.output for one in workers)
        assert [(one["row"], one["deaths"]) for one in found.cursors[0]["aside"]] == [(str(poison), 3)]
        assert found.attempts == 0


class TestAWorkerThatIsPausedBeyondItsLease:
    def test_sets_neither_cursor_nor_progress_back_and_adds_nothing_to_the_new_log(self, app, ledger, start):
        make_rows(2000)
        given = {"job_id": "kept", "max_run_time": "1h", "keep_log": "1m"}
        job = row_jobs.imports_slowly.options(**given).delay(str(ledger), 0.005)
        former = start("work")
        eventually(lambda: cursor_count(app, job) > 0)
        former.send(Signals.SIGSTOP)
        start("work")
        eventually(lambda: cursor_count(app, job) > 500, seconds=120)

        former.send(Signals.SIGCONT)
        counts = [cursor_count(app, job) for _ in range(50) if not time.sleep(0.05)]

        said = [{line.text.rpartition(" ")[2] for line in run.lines} for run in app.log(job.id)]
        assert counts == sorted(counts)
        assert app.get(job.id).progress.done >= counts[0]
        assert said == [{"1"}, {"2"}]
