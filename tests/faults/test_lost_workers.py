"""Workers that die, freeze or get stuck, as processes on a real server; judged by a file that the jobs write to."""

from signal import Signals

import pytest

import mongojobs
from tests.support import fault_app
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

HARMLESS = 50


@pytest.fixture
def app(connection):
    yield mongojobs.configure(retry_jitter=0)
    mongojobs.configure()


@pytest.fixture
def worker_environ():
    return {
        "MONGOJOBS_LEASE": "2",
        "MONGOJOBS_HEARTBEAT": "0.5",
        "MONGOJOBS_TIMEOUT_GRACE": "0.5",
        "MONGOJOBS_MAX_LOSSES": "3",
    }


def states(app):
    return [job.state for job in app.reader.find(limit=100)]


class TestAWorkerThatDies:
    @pytest.mark.behaviour("X6", "X8")
    def test_loses_its_job_to_another_within_lease_and_interval_and_costs_no_attempt(self, app, ledger, start):
        fault_app.kills_its_first_worker.delay(str(ledger))

        killed, other = start("work"), start("work")
        eventually(lambda: "run with 1 losses" in ledger.read_text())

        assert ledger.read_text().splitlines() == [
            "run with 0 losses and 0 attempts",
            "run with 1 losses and 0 attempts",
        ]
        eventually(lambda: states(app) == [])
        assert sorted([killed.process.poll() is None, other.process.poll() is None]) == [False, True]

    @pytest.mark.behaviour("X4")
    def test_by_a_killer_job_costs_no_harmless_job_and_the_killer_is_failed(self, app, ledger, start):
        killer = fault_app.kills_its_worker.delay(str(ledger))
        fault_app.harmless.delay_many([(str(ledger), number) for number in range(HARMLESS)])

        start("work", "--processes", "2", "--threads", "2")
        eventually(lambda: app.get(killer.id).has_failed, seconds=60)

        eventually(lambda: states(app) == ["failed"])
        failed = app.get(killer.id)
        assert (failed.losses, failed.attempts) == (3, 0)
        assert "worker" in failed.last_error
        lines = ledger.read_text().splitlines()
        assert lines.count("killer") == 3
        assert {line for line in lines if line != "killer"} == {f"harmless {number}" for number in range(HARMLESS)}


class TestAWorkerThatFreezes:
    @pytest.mark.behaviour("X5")
    def test_beyond_its_lease_cannot_write_its_late_result(self, app, ledger, start):
        job = fault_app.freezes_its_first_worker.options(job_id="once").delay(str(ledger))

        frozen = start("work")
        eventually(lambda: "started with 0 losses" in ledger.read_text())
        start("work")
        eventually(lambda: "ended with 1 losses, lost=False" in ledger.read_text())
        eventually(lambda: app.get(job.id).state == "completed")
        finished_at = app.get(job.id).finished_at
        frozen.send(Signals.SIGCONT)
        frozen.says("is no longer ours")

        assert app.get(job.id).finished_at == finished_at
        assert ledger.read_text().count("started") == 2


class TestAJobThatDoesNotReturn:
    def test_ends_its_process_with_70_after_the_others_have_finished(self, app, ledger, start):
        stuck = fault_app.sits_in_c_code.delay(str(ledger), 60)
        fault_app.takes_a_second.delay(str(ledger))

        worker = start("work", "--threads", "2")
        status = worker.wait(30)

        assert status == 70
        assert "long one ended" in ledger.read_text()
        failed = app.get(stuck.id)
        assert (failed.state, failed.attempts) == ("failed", 1)
        assert "the code did not return" in failed.last_error

    def test_keeps_its_lock_while_it_still_runs(self, app, ledger, start):
        stuck = fault_app.sits_in_c_code.options(max_attempts=2).delay(str(ledger), 1)

        start("work")
        eventually(lambda: app.get(stuck.id).attempts == 1)

        assert ledger.read_text().count("stuck") == 1
        assert "max_run_time of 0.3s" in app.get(stuck.id).last_error
