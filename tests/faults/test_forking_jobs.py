"""Jobs that fork: the copies of the process are no workers, and what happens to them happens to no worker."""

from signal import Signals

import pytest

import mongojobs
from tests.support import forking_app
from tests.support.processes import lives, pid_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

HOWS = ("fork", "multiprocessing", "pool", "preexec")
ENDS = {"returns": 0, "raises": 1, "exits": 3}
in_both_modes = pytest.mark.parametrize("executor", ["thread", "process"])
TERMINATED, INTERRUPTED = -15, -2


@pytest.fixture
def worker_environ():
    return {
        "MONGOJOBS_LEASE": "30",
        "MONGOJOBS_HEARTBEAT": "0.5",
        "MONGOJOBS_APP": "tests.support.forking_app",
        "MONGOJOBS_SHUTDOWN_TIMEOUT": "1",
    }


def lines(ledger, beginning=""):
    return [line for line in ledger.read_text().splitlines() if line.startswith(beginning)]


class TestAChildThatAJobTerminates:
    @in_both_modes
    def test_ends_and_the_worker_goes_on(self, app, ledger, start, executor):
        worker = start("work", "--executor", executor)
        forking_app.terminates_its_child.delay_many([(str(ledger), how) for how in HOWS])
        eventually(lambda: len(lines(ledger, "child ended")) == len(HOWS))

        forking_app.harmless.delay(str(ledger), 1)
        eventually(lambda: lines(ledger, "harmless 1"))

        assert sorted(lines(ledger, "child")) == [f"child ended with {TERMINATED} by {how}" for how in HOWS]
        assert "Exiting" not in worker.output

    @in_both_modes
    def test_by_an_interrupt_under_a_supervisor_ends_as_elsewhere(self, app, ledger, start, executor):
        start("work", "--processes", "2", "--executor", executor)

        forking_app.terminates_its_child.delay(str(ledger), "interrupt")
        eventually(lambda: lines(ledger, "child ended"))

        assert lines(ledger, "child") == [f"child ended with {INTERRUPTED} by interrupt"]


class TestACopyOfTheWorker:
    @in_both_modes
    @pytest.mark.parametrize("job", [forking_app.lets_a_copy_end, forking_app.lets_a_copy_of_the_loop_end])
    def test_ends_where_the_job_does(self, app, ledger, start, job, executor):
        start("work", "--executor", executor)

        job.delay_many([(str(ledger), end) for end in ENDS])
        eventually(lambda: len(lines(ledger, "copy ended")) == len(ENDS))
        forking_app.harmless.delay_many([(str(ledger), number) for number in range(10)])
        eventually(lambda: app.store.collection.count_documents({}) == 0)

        assert sorted(lines(ledger, "copy")) == [f"copy ended with {status}, {end}" for end, status in ENDS.items()]
        assert sorted(lines(ledger, "harmless")) == [f"harmless {number}" for number in range(10)]

    @in_both_modes
    def test_runs_no_hooks_of_the_job(self, app, ledger, start, executor):
        start("work", "--executor", executor)

        mongojobs.enqueue(forking_app.LetsACopyEndInAHook(str(ledger)))
        eventually(lambda: lines(ledger, "success"))
        eventually(lambda: app.store.collection.count_documents({}) == 0)

        assert lines(ledger) == ["copy ended with 0, returns", "copy ended with 0, returns", "success"]


class TestWhatAJobHasStarted:
    @pytest.mark.parametrize("how", ["fork", "start"])
    def test_ends_with_a_worker_that_is_killed(self, app, ledger, start, how):
        worker = start("work", "--executor", "process")
        forking_app.leaves_a_process.delay(str(ledger), how)
        eventually(lambda: lines(ledger, "started"))

        worker.send(Signals.SIGKILL)

        eventually(lambda: not lives(pid_in(lines(ledger, "started")[0])))

    @pytest.mark.parametrize("how", ["fork", "start"])
    def test_ends_with_a_worker_that_is_killed_while_idle(self, app, ledger, start, how):
        worker = start("work", "--executor", "process")
        forking_app.leaves_a_process.delay(str(ledger), how, 0)
        eventually(lambda: app.store.collection.count_documents({}) == 0)

        worker.send(Signals.SIGKILL)

        eventually(lambda: not lives(pid_in(lines(ledger, "started")[0])))

    @pytest.mark.parametrize("how", ["fork", "start"])
    def test_ends_with_a_child_that_dies_and_hides_that_from_nobody(self, app, ledger, start, how):
        worker = start("work", "--executor", "process")

        forking_app.dies_beside_a_process.delay(str(ledger), how)

        worker.says("CRASHED, loss 1")
        eventually(lambda: not lives(pid_in(lines(ledger, "started")[0])))

    def test_ends_with_a_worker_that_is_killed_by_its_supervisor(self, app, ledger, start):
        supervisor = start("work", "--processes", "2", "--executor", "process")
        forking_app.leaves_a_process.delay(str(ledger), "start")
        eventually(lambda: lines(ledger, "started"))

        supervisor.send_to_all(Signals.SIGKILL)

        eventually(lambda: not lives(pid_in(lines(ledger, "started")[0])))
