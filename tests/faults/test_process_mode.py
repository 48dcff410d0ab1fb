"""Jobs in child processes: what a job does to its process harms no other job."""

import os
import time
from signal import Signals

import pytest

from mongojobs import enqueue
from tests.support import isolation_app, process_app
from tests.support.failpoints import failing
from tests.support.processes import lives, pid_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

PROCESS = ("work", "--executor", "process")
RARELY_RENEWED = {"MONGOJOBS_LEASE": "600", "MONGOJOBS_HEARTBEAT": "200"}
"""So rarely that a job which ends before was told by the stream."""


@pytest.fixture
def worker_environ():
    return {
        "MONGOJOBS_LEASE": "30",
        "MONGOJOBS_HEARTBEAT": "0.5",
        "MONGOJOBS_APP": "tests.support.process_app",
        "MONGOJOBS_TIMEOUT_GRACE": "0.5",
        "MONGOJOBS_SHUTDOWN_TIMEOUT": "1",
    }


def is_gone(app, job):
    return app.get(job.id) is None


def lines(ledger, beginning=""):
    return [line for line in ledger.read_text().splitlines() if line.startswith(beginning)]


def tell_all(worker, number, times=1):
    """Send a signal to the worker and all its children, perhaps several times."""
    for _ in range(times):
        worker.send_to_all(number)
        time.sleep(0.1)


DEATHS = {
    "segfault": "was killed by signal 11 (SIGSEGV)",
    "exit": "ended with exit status 3",
    "kill": "was killed by signal 9 (SIGKILL, as when memory runs out)",
    "cut": "ended with exit status 74",
}


class TestAJobThatEndsItsProcess:
    @pytest.mark.parametrize("how", DEATHS)
    def test_costs_a_loss_at_once_and_its_neighbours_nothing(self, app, ledger, start, how):
        neighbour = process_app.takes.delay(str(ledger), "neighbour", 2)
        worker = start(*PROCESS, "--threads", "2")
        eventually(lambda: lines(ledger, "neighbour began"))

        killer = process_app.dies.delay(str(ledger), how)
        eventually(lambda: is_gone(app, killer))
        eventually(lambda: is_gone(app, neighbour))

        assert lines(ledger, "run with") == ["run with 0 losses", "run with 1 losses"]
        assert f"CRASHED, loss 1: the process that ran this job {DEATHS[how]}; its peak memory" in worker.output
        assert len(lines(ledger, "neighbour")) == 2
        assert worker.process.poll() is None

    def test_is_failed_at_max_losses_with_what_happened(self, app, ledger, start):
        killer = process_app.dies.delay(str(ledger), "segfault", 99)

        worker = start(*PROCESS, MONGOJOBS_MAX_LOSSES="1")
        eventually(lambda: app.get(killer.id).has_failed)

        failed = app.get(killer.id)
        assert (failed.losses, failed.attempts) == (1, 0)
        assert "given up: lost 1 times (max_losses is 1)" in failed.last_error
        assert "was killed by signal 11 (SIGSEGV)" in failed.last_error
        worker.says("FAILED permanently: 1 lost process")


class TestAChildThatEndsWhileItIsIdle:
    def test_costs_no_job_anything(self, app, ledger, start):
        first = process_app.harmless.delay(str(ledger), 1)
        worker = start(*PROCESS)
        eventually(lambda: is_gone(app, first))
        [child] = worker.descendants()

        os.kill(child, Signals.SIGKILL)
        second = process_app.harmless.delay(str(ledger), 2)
        eventually(lambda: is_gone(app, second))

        assert "CRASHED" not in worker.output
        worker.says("while it was idle")


class TestAJobThatIsCancelled:
    def test_cleans_up_and_is_told_though_it_sleeps_in_the_system(self, app, ledger, start):
        job = enqueue(process_app.SleepsUntilCancelled(str(ledger)))
        worker = start(*PROCESS, **RARELY_RENEWED)
        eventually(lambda: lines(ledger, "sleeps"))

        app.cancel(job.id, running=True, by="ann", why="wrong file")
        eventually(lambda: app.get(job.id).state == "cancelled")

        assert lines(ledger) == ["sleeps", "cleaned up", "cancelled by ann: wrong file"]
        assert (app.get(job.id).attempts, app.get(job.id).losses) == (0, 0)
        worker.says("by ann: wrong file")

    def test_is_cancelled_where_it_awaits(self, app, ledger, start):
        job = process_app.sleeps_until_cancelled.delay(str(ledger))
        start(*PROCESS, **RARELY_RENEWED)
        eventually(lambda: lines(ledger, "sleeps"))

        app.cancel(job.id, running=True)
        eventually(lambda: app.get(job.id).state == "cancelled")

        assert lines(ledger) == ["sleeps", "cleaned up"]

    def test_is_killed_after_its_grace_while_others_go_on(self, app, ledger, start):
        deaf = process_app.holds_the_interpreter.options(max_run_time=60).delay(str(ledger))
        neighbour = process_app.takes.delay(str(ledger), "neighbour", 2)
        worker = start(*PROCESS, "--threads", "2")
        eventually(lambda: lines(ledger, "held"))

        app.cancel(deaf.id, running=True)
        eventually(lambda: app.get(deaf.id).state == "cancelled")
        eventually(lambda: is_gone(app, neighbour))

        assert app.get(deaf.id).last_error.startswith("the code did not return: its process was killed; its peak")
        assert not lives(pid_in(lines(ledger, "held")[0]))
        assert worker.process.poll() is None

    def test_is_not_run_again_if_its_process_dies(self, app, ledger, start):
        job = enqueue(process_app.SleepsUntilCancelled(str(ledger)))
        worker = start(*PROCESS, MONGOJOBS_HEARTBEAT="10", MONGOJOBS_LEASE="60")
        eventually(lambda: lines(ledger, "sleeps"))
        [child] = worker.descendants()

        os.kill(child, Signals.SIGSTOP)
        app.cancel(job.id, running=True)
        os.kill(child, Signals.SIGKILL)
        eventually(lambda: app.get(job.id).state == "cancelled")

        assert lines(ledger, "sleeps") == ["sleeps"]


class TestAJobThatHoldsTheInterpreterLock:
    def test_is_killed_after_its_grace_while_others_go_on(self, app, ledger, start):
        deaf = process_app.holds_the_interpreter.delay(str(ledger))
        worker = start(*PROCESS, "--threads", "2")
        eventually(lambda: lines(ledger, "held"))
        jobs = [process_app.harmless.delay(str(ledger), number) for number in range(5)]
        eventually(lambda: all(is_gone(app, job) for job in jobs))
        eventually(lambda: app.get(deaf.id).has_failed)

        failed = app.get(deaf.id)
        assert (failed.attempts, failed.losses) == (1, 0)
        text = "ran longer than its max_run_time of 0.5s, and the code did not return: its process was killed; its peak"
        assert text in failed.last_error
        assert not lives(pid_in(lines(ledger, "held")[0]))
        assert worker.process.poll() is None


class TestATimeLimit:
    def test_is_raised_in_the_job_first(self, app, ledger, start):
        job = process_app.catches.options(max_run_time=0.3, max_attempts=1).delay(str(ledger))

        worker = start(*PROCESS)
        eventually(lambda: app.get(job.id).has_failed)

        assert lines(ledger) == ["waits", "caught JobTimeout"]
        assert app.get(job.id).last_error.startswith("JobTimeout: the job ran longer than its max_run_time of 0.3s\n")
        assert "Replacing the child" not in worker.output


class TestAStop:
    @pytest.mark.parametrize("times", [1, 3])
    def test_of_all_processes_lets_a_job_end_in_time(self, app, ledger, start, times):
        job = process_app.takes.delay(str(ledger), "it", 0.8)
        worker = start(*PROCESS)
        eventually(lambda: lines(ledger, "it began"))

        tell_all(worker, Signals.SIGTERM, times)
        status = worker.wait()

        assert status == 0
        assert lines(ledger, "it ended")
        assert is_gone(app, job)

    def test_interrupts_and_hands_back_a_job_that_takes_too_long(self, app, ledger, start, seconds_to_leave):
        job = process_app.catches.delay(str(ledger))
        worker = start(*PROCESS)
        eventually(lambda: lines(ledger, "waits"))

        begun = time.monotonic()
        tell_all(worker, Signals.SIGTERM)
        status = worker.wait()

        assert status == 0
        assert time.monotonic() - begun < 1 + seconds_to_leave
        assert lines(ledger) == ["waits", "caught Interrupted"]
        back = app.get(job.id)
        assert (back.state, back.releases, back.losses, back.attempts) == ("ready", 1, 0, 0)

    def test_hands_back_a_job_that_hears_nothing_once_its_process_has_ended(self, app, ledger, start, seconds_to_leave):
        deaf = process_app.holds_the_interpreter.options(max_run_time=60).delay(str(ledger))
        worker = start(*PROCESS)
        eventually(lambda: lines(ledger, "held"))
        child = pid_in(lines(ledger, "held")[0])

        begun = time.monotonic()
        tell_all(worker, Signals.SIGTERM)
        eventually(lambda: app.get(deaf.id).state == "ready")
        was_alive = lives(child)
        status = worker.wait()

        assert status == 0
        assert time.monotonic() - begun < 1 + seconds_to_leave
        assert not was_alive
        assert app.get(deaf.id).releases == 1

    def test_while_idle_ends_all_processes_at_once(self, app, ledger, start, seconds_to_leave):
        job = process_app.harmless.delay(str(ledger), 1)
        worker = start(*PROCESS, "--threads", "2")
        eventually(lambda: is_gone(app, job))
        children = worker.descendants()

        begun = time.monotonic()
        worker.send(Signals.SIGTERM)
        status = worker.wait()

        assert status == 0
        assert time.monotonic() - begun < seconds_to_leave
        assert not any(map(lives, children))

    def test_that_comes_while_the_children_start_ends_them_too(self, app, ledger, start):
        worker = start(*PROCESS)
        worker.says("Starting job worker")
        eventually(worker.descendants)
        children = worker.descendants()

        tell_all(worker, Signals.SIGTERM)
        status = worker.wait()

        assert status == 0
        assert not any(map(lives, children))

    def test_is_told_to_the_job(self, app, ledger, start):
        process_app.waits_to_be_told.delay(str(ledger), "stopping")
        worker = start(*PROCESS)
        eventually(lambda: lines(ledger, "waits"))

        worker.send(Signals.SIGTERM)
        worker.wait()

        assert lines(ledger, "told") == ["told: stopping"]

    def test_by_ctrl_c_in_a_terminal_lets_a_job_end_in_time(self, app, ledger, start):
        process_app.takes.delay(str(ledger), "it", 0.8)
        worker = start(*PROCESS)
        eventually(lambda: lines(ledger, "it began"))

        worker.send_to_group(Signals.SIGINT)
        status = worker.wait()

        assert status == 0
        assert lines(ledger, "it ended")

    @pytest.mark.parametrize("executor", ["process", "thread"])
    def test_loses_no_result_where_the_database_is_slow(self, app, administrator, ledger, start, executor):
        process_app.fails.delay_many([(str(ledger), number) for number in range(200)])

        slow = {"times": 10_000, "appname": "mongojobs", "blockConnection": True, "blockTimeMS": 200}
        with failing(administrator, "delete", "update", **slow):
            more = {"MONGOJOBS_DESTROY_FAILED_JOBS": "1", "MONGOJOBS_SHUTDOWN_TIMEOUT": "10"}
            worker = start("work", "--executor", executor, **more)
            eventually(lambda: len(lines(ledger, "failing")) == 200)
            worker.send(Signals.SIGTERM)
            status = worker.wait()

        assert status == 0
        assert app.store.collection.count_documents({}) == 0


class TestTheContextOfARun:
    def test_is_not_that_of_the_run_before_in_the_same_process(self, app, ledger, start):
        isolation_app.leaves_state_behind_in_a_child.delay_many([(str(ledger),), (str(ledger),), (str(ledger),)])

        start(*PROCESS, MONGOJOBS_APP="tests.support.isolation_app")
        eventually(lambda: len(lines(ledger)) == 3)

        assert len({pid_in(line) for line in lines(ledger)}) == 1
        assert lines(ledger, "('nobody', 28)") == lines(ledger)


class TestAWorkerThatIsKilled:
    def test_leaves_no_process_behind_and_its_job_is_rescued(self, app, ledger, start):
        job = process_app.holds_the_interpreter.options(max_run_time=60).delay(str(ledger))
        worker = start(*PROCESS, "--threads", "3", MONGOJOBS_LEASE="2")
        eventually(lambda: lines(ledger, "held") and len(worker.descendants()) == 3)
        children = worker.descendants()

        worker.send(Signals.SIGKILL)
        worker.wait()
        eventually(lambda: not any(map(lives, children)))  # those that start find out when they have
        start("work", MONGOJOBS_LEASE="2")
        eventually(lambda: len(lines(ledger, "held")) == 2)

        assert app.get(job.id).losses == 1


class TestAJobThatIsTimedOut:
    def test_while_it_waits_for_what_it_has_started_ends_with_that(self, app, ledger, start):
        process_app.starts_a_process.options(max_run_time=0.5, max_attempts=1).delay(str(ledger))
        start(*PROCESS)
        eventually(lambda: lines(ledger, "started"))
        started = pid_in(lines(ledger, "started")[0])

        eventually(lambda: not lives(started))


class TestALostLock:
    def test_is_told_to_the_job(self, app, ledger, start):
        job = process_app.waits_to_be_told.delay(str(ledger), "lost")
        start(*PROCESS, MONGOJOBS_LEASE="2")
        eventually(lambda: lines(ledger, "waits"))

        app.store.collection.delete_one({"_id": job.id})

        eventually(lambda: lines(ledger, "told") == ["told: lost"])


class TestMaxMemory:
    def test_lets_a_child_be_replaced_before_it_has_twice_as_much(self, app, ledger, start):
        process_app.leaks.delay_many([(str(ledger), number, 20) for number in range(16)])

        worker = start(*PROCESS, "--max-memory", "150M")
        eventually(lambda: app.store.collection.count_documents({}) == 0, seconds=40)

        assert max(pid_in(line.removesuffix(" MiB")) for line in lines(ledger)) < 300
        assert len({line.split()[2] for line in lines(ledger)}) > 1
        assert "(max_memory is 150 MiB)" in worker.output
        assert worker.process.poll() is None

    def test_lets_a_worker_with_threads_leave_before_it_has_twice_as_much(self, app, ledger, start):
        process_app.leaks.delay_many([(str(ledger), number, 20) for number in range(30)])

        worker = start("work", "--max-memory", "200M")
        status = worker.wait()

        assert status == 0
        assert max(pid_in(line.removesuffix(" MiB")) for line in lines(ledger)) < 400
        left = list(app.store.collection.find())
        assert len(left) == 30 - len(lines(ledger)) > 0
        assert {(one["state"], one["attempts"], one["losses"], one["releases"]) for one in left} == {("ready", 0, 0, 0)}


class TestMaxJobs:
    def test_lets_a_child_be_replaced(self, app, ledger, start):
        process_app.harmless.delay_many([(str(ledger), number) for number in range(7)])

        worker = start(*PROCESS, "--max-jobs", "3")
        eventually(lambda: app.store.collection.count_documents({}) == 0)

        pids = [pid_in(line) for line in lines(ledger)]
        assert pids[0:3] == [pids[0]] * 3
        assert pids[3:6] == [pids[3]] * 3
        assert len(set(pids)) == 3
        assert worker.output.count("it has run 3 jobs (max_jobs is 3)") == 2

    def test_lets_a_worker_with_threads_leave(self, app, ledger, start):
        process_app.harmless.delay_many([(str(ledger), number) for number in range(7)])

        status = start("work", "--max-jobs", "3").wait()

        assert status == 0
        assert len(lines(ledger)) == 3
        assert app.store.collection.count_documents({"state": "ready", "releases": 0}) == 4

    def test_lets_a_worker_leave_only_when_all_that_runs_has_ended(self, app, ledger, start):
        process_app.takes.delay(str(ledger), "long", 2.5)
        worker = start("work", "--max-jobs", "1", "--threads", "2")
        eventually(lambda: lines(ledger, "long began"))

        process_app.harmless.delay(str(ledger), 1)
        status = worker.wait()

        assert status == 0
        assert lines(ledger, "long ended")
        assert app.store.collection.count_documents({}) == 0

    def test_lets_a_supervisor_start_a_worker_again(self, app, ledger, start):
        process_app.harmless.delay_many([(str(ledger), number) for number in range(7)])

        start("work", "--max-jobs", "3", "--processes", "2")
        eventually(lambda: app.store.collection.count_documents({}) == 0)

        assert len({pid_in(line) for line in lines(ledger)}) >= 3
