"""Workers that are killed, stopped, frozen or abused by their jobs; judged from outside by the rig."""

import os
import random
import time
from datetime import UTC, datetime
from functools import partial
from signal import Signals

import pytest

from mongojobs import Settings
from tests.support.mongod import database_of, with_database
from tests.support.rig import Proxy
from tests.support.rig import app as jobs
from tests.support.rig.checker import Enqueued
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

slow = pytest.mark.slow
in_both_modes = pytest.mark.parametrize("executor", ["thread", "process"])


def short(number):
    return jobs.takes.delay(number, 0.02)


def longer(number):
    return jobs.takes.delay(number, 0.2)


def taking(seconds):
    return lambda number: jobs.takes.delay(number, seconds)


class TestNoFault:
    @pytest.mark.parametrize("executor", ["thread", pytest.param("process", marks=slow)])
    def test_three_workers_run_each_of_ten_thousand_jobs_once(self, rig, executor):
        rig.enqueue_many(jobs.quick, 10_000)
        for _ in range(3):
            rig.work(executor=executor)

        verdict = rig.check()

        assert (verdict.runs, verdict.extra_runs) == (10_000, 0)


class TestAWorkerThatIsKilled:
    @in_both_modes
    @pytest.mark.parametrize("kills", [1, pytest.param(6, marks=slow)])
    def test_under_load_costs_one_more_run_of_what_it_had_in_flight(self, rig, kills, executor):
        in_flight = 0
        rig.work("--threads", "2", executor=executor)
        with rig.load(short, longer, jobs.fails_at_first.delay, pause_seconds=0.1):
            for _ in range(kills):
                victim = rig.work("--threads", "2", executor=executor)
                rig.wait_for_ends(30)
                in_flight += rig.kill(victim)
            rig.wait_for_ends(30)

        verdict = rig.check()

        assert verdict.extra_runs <= in_flight

    @pytest.mark.parametrize("kills", [2, pytest.param(8, marks=slow)])
    def test_at_a_random_point_of_its_batches_costs_no_more_than_it_held(self, rig, kills, pytestconfig):
        chance = random.Random(pytestconfig.option.seed)
        rig.work()
        for _ in range(kills):
            victim = rig.work()
            ends = rig.ledger.ends() + chance.randrange(1, 1500)
            rig.enqueue_many(jobs.quick, 2000)
            rig.enqueue_many(jobs.fails_at_first, 50)
            eventually(lambda ends=ends: rig.ledger.ends() >= ends, seconds=60)
            rig.kill(victim)

        verdict = rig.check(seconds=180)  # a job that lost several workers waits for minutes

        assert verdict.extra_runs <= kills * 2 * Settings().read_ahead


class TestAWorkerThatIsStopped:
    @slow
    def test_over_and_over_with_short_jobs_costs_nothing(self, rig):
        with rig.load(short, jobs.fails_at_first.delay, pause_seconds=0.02):
            for _ in range(6):
                worker = rig.work("--threads", "2")
                rig.wait_for_ends(20)
                rig.stop(worker)
        rig.work("--threads", "2")

        verdict = rig.check()

        assert verdict.extra_runs == 0

    @in_both_modes
    def test_by_three_signals_to_all_its_processes_costs_nothing(self, rig, executor):
        with rig.load(short, pause_seconds=0.02):
            worker = rig.work("--processes", "2", executor=executor)
            rig.wait_for_ends(20)
            rig.stop(worker, times=3, to_all=True)
        rig.work("--threads", "2")

        verdict = rig.check()

        assert verdict.extra_runs == 0

    @in_both_modes
    def test_during_a_job_longer_than_the_grace_hands_it_back_at_once(self, rig, executor):
        [number] = rig.enqueue(taking(6))
        worker = rig.work(executor=executor)
        rig.wait_for_runs(number)
        rig.stop(worker, cuts_jobs=True)
        handed_back = rig.document(number)

        rig.work()
        rig.wait_for_runs(number, 2)
        rig.check()

        assert (handed_back["state"], handed_back["releases"]) == ("ready", 1)
        assert not handed_back.get("attempts")
        assert handed_back["run_at"] <= datetime.now(UTC)

    @slow
    def test_with_the_usual_grace_is_out_before_heroku_kills_it(self, rig_on, mongo_uri):
        rig = rig_on(mongo_uri, grace=25)
        [number] = rig.enqueue(taking(40))
        worker = rig.work()
        rig.wait_for_runs(number)

        begun = time.monotonic()
        rig.stop(worker, times=3, cuts_jobs=True)
        took = time.monotonic() - begun

        assert 24 < took < 28
        assert (rig.document(number)["state"], rig.document(number)["releases"]) == ("ready", 1)
        assert rig.judge().violations == [
            f"I6: job {number} is still ready after all had time to end: nobody took it up"
        ]


class TestAWorkerThatIsFrozen:
    def test_for_less_than_its_lease_costs_nothing(self, rig):
        frozen = rig.work("--threads", "2")
        rig.work("--threads", "2")
        with rig.load(short, longer, pause_seconds=0.1):
            rig.wait_for_ends(20)
            with rig.frozen(frozen):
                time.sleep(2)
            rig.wait_for_ends(20)

        verdict = rig.check()

        assert verdict.extra_runs == 0

    @slow
    @in_both_modes
    def test_beyond_its_lease_costs_one_more_run_of_what_it_ran(self, rig, executor):
        frozen = rig.work("--threads", "2", executor=executor)
        rig.work("--threads", "2", executor=executor)
        with rig.load(short, longer, jobs.fails_at_first.delay, pause_seconds=0.1):
            for _ in range(3):
                rig.wait_for_ends(20)
                with rig.frozen(frozen):
                    time.sleep(6)
            rig.wait_for_ends(20)

        rig.check()


class TestAClock:
    @slow
    def test_that_is_hours_off_and_jumps_changes_nothing(self, rig):
        rig.work("--threads", "2", fault="clock that jumps")
        rig.work("--threads", "2")
        with rig.load(short, longer, taking(4), pause_seconds=1):
            time.sleep(10)

        verdict = rig.check()

        assert verdict.extra_runs == 0


class TestAKillerJob:
    @slow
    @in_both_modes
    @pytest.mark.parametrize("how", ["exit", "segv", "memory"])
    def test_is_given_up_and_its_neighbours_complete(self, rig_on, mongo_uri, how, executor):
        rig = rig_on(mongo_uri, lease=1.5, max_losses=3)
        [killer] = rig.enqueue(partial(kill, how))
        rig.enqueue(jobs.quick.delay, 50)
        rig.work("--processes", "2", "--threads", "2", executor=executor)
        eventually(lambda: rig.document(killer)["state"] == "failed" or rig.hurry(killer), seconds=60)

        verdict = rig.check()

        failed = rig.document(killer)
        assert (failed["losses"], failed.get("attempts", 0)) == (3, 0)
        assert verdict.jobs == 51


def kill(how, number):
    return jobs.kills_its_worker.delay(number, how)


class TestAJobStuckInCCode:
    @slow
    def test_costs_its_process_which_is_started_again_and_others_go_on(self, rig):
        rig.work("--processes", "2", "--threads", "2", timeout_grace=0.5)
        with rig.load(short, pause_seconds=0.02):
            [stuck] = rig.enqueue(jobs.sticks_in_c_code.delay)
            eventually(lambda: rig.document(stuck)["state"] == "failed")
            rig.wait_for_ends(50)
        rig.workers[0].says("Starting job worker", times=3)

        rig.check()

        assert "did not return" in rig.document(stuck)["last_error"]


class TestWhatAJobRaises:
    @pytest.mark.parametrize("what", ["40 MB", "no words", "SystemExit", "KeyboardInterrupt", "group", "recursion"])
    @slow
    def test_is_kept_cut_to_size_and_the_worker_lives(self, rig, what):
        worker = rig.work()
        [number] = rig.enqueue(lambda number: jobs.raises.delay(number, what))
        rig.enqueue(jobs.quick.delay, 5)

        rig.check()

        failed = rig.document(number)
        assert (failed["state"], failed["attempts"]) == ("failed", 1)
        assert 0 < len(failed["last_error"]) < 50_000
        assert worker.process.poll() is None


def enqueue_in_a_child(rig, number):
    """Enqueue in a process that is forked off now, and return its exit status."""
    job_id = f"of-a-child-{number}"
    status = 1
    child = os.fork()
    if child == 0:
        try:
            with rig.app.active():
                jobs.quick.options(job_id=job_id).delay(number)
            status = 0
        finally:
            os._exit(status)
    rig.register.note(job_id, Enqueued(number))
    return os.waitpid(child, 0)[1]


class TestAPreForkedWebProcess:
    @pytest.mark.filterwarnings("ignore:MongoClient opened before fork")
    def test_enqueues_by_what_its_parent_had_connected(self, rig):
        rig.enqueue(jobs.quick.delay, 2)

        statuses = [enqueue_in_a_child(rig, number) for number in (101, 102, 103)]

        rig.work()
        verdict = rig.check()
        assert statuses == [0, 0, 0]
        assert (verdict.jobs, verdict.runs) == (5, 5)


class TestBothAnswersOfAnEnqueueThatAreLost:
    def test_while_a_worker_runs_the_job_make_one_run_of_a_given_id(self, rig_on, mongod, mongo_uri):
        [node] = mongod.nodes
        with Proxy(node.port) as proxy:
            rig = rig_on(with_database(f"mongodb://{proxy.address}/?directConnection=true", database_of(mongo_uri)))
            rig.work(uri=mongo_uri)
            proxy.lose_answers("insert", times=2)

            rig.enqueue(lambda number: jobs.quick.options(job_id=f"once-{number}").delay(number))
            verdict = rig.check()

            assert proxy.has_lost_all
        assert (verdict.jobs, verdict.runs) == (1, 1)

    def test_without_a_given_id_too_since_the_driver_repeats_what_the_server_recognises(
        self, rig_on, mongod, mongo_uri
    ):
        [node] = mongod.nodes
        with Proxy(node.port) as proxy:
            rig = rig_on(with_database(f"mongodb://{proxy.address}/?directConnection=true", database_of(mongo_uri)))
            rig.work(uri=mongo_uri)
            proxy.lose_answers("insert", times=2)

            rig.enqueue(jobs.quick.delay)
            verdict = rig.check()

            assert proxy.has_lost_all
        assert (verdict.jobs, verdict.runs) == (1, 1)


class TestTheWholeGroup:
    def test_that_gets_one_interrupt_ends_its_jobs(self, rig):
        numbers = rig.enqueue(taking(1.5), 2)
        supervisor = rig.work("--processes", "2", shutdown_timeout=10)
        for number in numbers:
            rig.wait_for_runs(number)
        rig.expect_to_leave(supervisor)
        supervisor.send_to_group(Signals.SIGINT)

        assert supervisor.wait(20) == 0
        verdict = rig.check()
        assert (verdict.runs, verdict.extra_runs) == (2, 0)
