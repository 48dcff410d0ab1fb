"""Unique jobs when many call at once, when workers are killed, and when anything else happens."""

from pathlib import Path

import pytest

import mongojobs
from tests.support import unique_app
from tests.support.clock import HeldClock
from tests.support.unique_crowd import Chance, at_once, call_all_the_time, call_until, enqueue_often, wrong
from tests.support.unique_jobs import sync
from tests.support.waiting import eventually
from tests.support.working import work_off

pytestmark = pytest.mark.faults

FEW_OR_MANY = pytest.mark.parametrize(
    ("threads", "times", "keys"), [(8, 25, 10), pytest.param(32, 1000, 50, marks=pytest.mark.slow)]
)


@pytest.fixture
def worker_environ():
    return {"MONGOJOBS_LEASE": "2", "MONGOJOBS_HEARTBEAT": "0.5", "MONGOJOBS_APP": "tests.support.unique_app"}


def living(app):
    return app.store.collection.count_documents({"state": {"$in": ["ready", "running"]}})


def open_the_gate(ledger):
    Path(f"{ledger}.gate").touch()


class TestManyAtOnce:
    @FEW_OR_MANY
    def test_store_one_job_for_each_key(self, app, threads, times, keys):
        new = at_once(threads, enqueue_often(times, keys))

        assert sum(new) == living(app) == keys
        assert sum(job.merged for job in app.reader.find(limit=0)) == threads * times - keys

    @FEW_OR_MANY
    def test_do_so_again_when_all_have_ended(self, app, threads, times, keys):
        at_once(threads, enqueue_often(times, keys))
        work_off(1000)

        new = at_once(threads, enqueue_often(times, keys))

        assert sum(new) == living(app) == keys

    def test_in_a_list_each_store_one_job_for_each_key(self, app):
        new = at_once(8, lambda _: sync.delay_many([(number,) for number in range(20)]))

        assert len({job.id for jobs in new for job in jobs}) == living(app) == 20
        assert sum(not job.duplicate for jobs in new for job in jobs) == 20

    def test_replace_the_call_each_in_one_piece(self, app):
        at_once(
            8,
            lambda seed: [
                sync.options(on_duplicate="replace", tags=[str(seed)]).delay(1, str(seed)) for _ in range(20)
            ],
        )

        [job] = app.reader.find(limit=0)
        assert job.handler["args"] == [1, job.tags[0]]
        assert job.merged == 8 * 20 - 1


class TestAHolder:
    def test_that_is_killed_keeps_its_key(self, app, ledger, start):
        first = unique_app.kills_its_first_worker.delay(str(ledger), 1)
        killed = start("work")
        eventually(ledger.read_text)

        before = unique_app.kills_its_first_worker.delay(str(ledger), 1)
        open_the_gate(ledger)
        eventually(lambda: killed.process.poll() is not None)
        after = unique_app.kills_its_first_worker.delay(str(ledger), 1)
        start("work")
        eventually(lambda: living(app) == 0)

        assert [before.id, after.id] == [first.id, first.id]
        assert ledger.read_text().splitlines() == [f"run {first.id}"] * 2

    def test_that_fails_and_is_retried_while_duplicates_come_is_one_job(self, app, ledger, start):
        job = unique_app.fails_some_times.delay(str(ledger), 1, 3)
        worker = start("work", MONGOJOBS_SLEEP_DELAY="0.1")

        answers = call_until(
            lambda: unique_app.fails_some_times.delay(str(ledger), 1, 3), lambda: "attempt 2" in ledger.read_text()
        )
        eventually(lambda: living(app) == 0)

        assert len(answers) > 3
        assert {answer.id for answer in answers} == {job.id}
        assert "E11000" not in worker.output
        assert ledger.read_text().splitlines() == [f"attempt {number}" for number in range(4)]


class TestARerun:
    def test_of_a_hundred_calls_is_one_more_run_with_the_last_though_the_worker_is_killed(self, app, ledger, start):
        unique_app.waits_for_a_file.delay(str(ledger), 1, "first")
        killed = start("work", DIES_FINISHING="1")
        eventually(ledger.read_text)
        [unique_app.waits_for_a_file.delay(str(ledger), 1, str(number)) for number in range(100)]

        open_the_gate(ledger)
        eventually(lambda: killed.process.poll() is not None)
        start("work")
        eventually(lambda: living(app) == 0)

        ends = [line for line in ledger.read_text().splitlines() if line.endswith("ends")]
        assert ends == ["1 first ends", "1 first ends", "1 99 ends"]


class TestADebounce:
    def test_that_is_called_all_the_time_runs_within_its_bound_with_the_newest_call(self, connection):
        app = mongojobs.configure(clock=HeldClock(), retry_jitter=0)
        app.create_indexes()

        runs = call_all_the_time(app, sync.options(debounce=2, max_wait=5), every=0.5, calls=40)

        assert runs == [(5.0, True)] * 4
        mongojobs.configure()

    def test_is_bound_by_its_first_call_whatever_the_others_say(self, connection):
        app = mongojobs.configure(clock=HeldClock(), retry_jitter=0)
        app.create_indexes()
        sync.options(debounce=2, max_wait=5).delay(1, "first")

        runs = call_all_the_time(app, sync.options(debounce=60, max_wait=3600), every=0.5, calls=11)

        assert runs == [(5.0, True)]
        mongojobs.configure()


class TestWhateverHappens:
    @pytest.mark.parametrize("times", [300, pytest.param(10_000, marks=pytest.mark.slow)])
    def test_no_key_is_left_behind(self, connection, request, times):
        clock = HeldClock()
        app = mongojobs.configure(clock=clock, retry_jitter=0, max_losses=3, max_releases=3)
        app.create_indexes()
        chance = Chance(app, clock, request.config.option.seed)

        for _ in range(times // 10):
            chance.do(10)
            assert wrong(app) == []
        chance.end_all()

        assert app.store.collection.count_documents({"unique_key": {"$exists": True}}) == 0
        mongojobs.configure()
