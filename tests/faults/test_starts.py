"""Signals that arrive before a worker works: at every moment of its start, from its first line on."""

import os
from pathlib import Path
from signal import Signals

import pytest

from tests.support import forking_app, hanging_app
from tests.support.gate import Gate
from tests.support.processes import lives
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

MOMENTS = (
    "mongojobs.cli",
    "click",
    "mongojobs.cli.work.command",
    "mongojobs.cli.work.worker",
    "mongojobs.app",
    "mongoengine",
    "tests.support.forking_app",
    "mongojobs.plugins.formats",
    "mongojobs.cli.work.readiness",
)
WAYS = {
    "thread": ("work",),
    "process": ("work", "--executor", "process"),
    "supervisor": ("work", "--processes", "2"),
    "one run": ("workoff",),
}

STOPS = [Signals.SIGTERM, *(pytest.param(one, marks=pytest.mark.slow) for one in (Signals.SIGINT, Signals.SIGQUIT))]


@pytest.fixture
def worker_environ():
    return {"MONGOJOBS_APP": "tests.support.forking_app", "MONGOJOBS_SHUTDOWN_TIMEOUT": "1"}


class TestAStopDuringTheStart:
    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("number", STOPS)
    def test_ends_the_process_with_status_0_and_no_job_begun(self, app, tmp_path, start, moment, number):
        gate = Gate(tmp_path, moment)
        job = forking_app.harmless.delay("nowhere", 1)
        worker = start("work", **gate.environ)
        eventually(gate.is_reached)

        worker.send(number)
        gate.open()
        status = worker.wait()

        assert status == 0, worker.errors
        assert worker.errors == ""
        assert app.get(job.id).state == "ready"

    @pytest.mark.parametrize("moment", ["click", "tests.support.forking_app"])
    @pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
    def test_of_all_its_processes_ends_them(self, app, tmp_path, start, moment, way):
        gate = Gate(tmp_path, moment)
        worker = start(*way, **gate.environ)
        eventually(gate.is_reached)

        worker.send_to_all(Signals.SIGTERM)
        gate.open()
        status = worker.wait()

        assert status == 0, worker.errors
        assert worker.errors == ""
        assert worker.descendants() == []


class TestAStopDuringTheRestartOfAChild:
    @pytest.mark.parametrize("moment", ["click", "tests.support.forking_app"])
    @pytest.mark.parametrize("number", STOPS)
    def test_ends_all_with_status_0(self, app, tmp_path, start, moment, number):
        gate = Gate(tmp_path, moment)
        gate.open()
        worker = start("work", "--monitor", **gate.environ)
        worker.says("Starting job worker")
        gate.close()
        os.kill(worker.descendants()[0], Signals.SIGKILL)
        eventually(gate.is_reached)

        worker.send(number)
        gate.open()

        assert worker.wait() == 0
        assert worker.errors == ""
        assert worker.descendants() == []


class TestAStopThatWaitsForNothing:
    @pytest.mark.parametrize("executor", ["thread", "process"])
    @pytest.mark.parametrize("what", ["thread", "process"])
    def test_of_what_a_job_has_left_behind(self, app, ledger, start, executor, what):
        worker = start("work", "--executor", executor)
        forking_app.leaves_behind.delay(str(ledger), what)
        eventually(lambda: "left" in ledger.read_text())

        worker.send(Signals.SIGTERM)

        assert worker.wait() == 0
        assert "Stopped" in worker.output


class TestAWishToBeQuietDuringTheStart:
    @pytest.mark.parametrize("number", [Signals.SIGTSTP, Signals.SIGUSR1])
    def test_is_kept_until_the_worker_works(self, app, tmp_path, start, number):
        gate = Gate(tmp_path, "tests.support.forking_app")
        job = forking_app.harmless.delay("nowhere", 1)
        worker = start("work", **gate.environ)
        eventually(gate.is_reached)

        worker.send(number)
        gate.open()
        worker.says("Starting job worker")
        eventually(lambda: app.workers() and app.workers()[0].state == "quiet")
        worker.send(Signals.SIGTERM)

        assert worker.wait() == 0
        assert app.get(job.id).state == "ready"


class TestAWorkerWhoseSupervisorDies:
    def test_ends_during_its_import_too(self, app, tmp_path, start):
        gate = Gate(tmp_path, "tests.support.forking_app")
        worker = start("work", "--processes", "2", **gate.environ)
        eventually(gate.is_reached)
        eventually(lambda: len(worker.descendants()) == 2)
        children = worker.descendants()

        worker.send(Signals.SIGKILL)
        worker.wait()

        eventually(lambda: not any(map(lives, children)))


class TestAnImportThatHangs:
    @pytest.mark.parametrize(
        ("arguments", "hangs_in"),
        [(("--processes", "2"), "work"), (("--monitor",), "work"), (("--executor", "process"), "child")],
    )
    def test_is_reported_with_where_it_hangs_and_its_process_is_replaced(self, app, ledger, start, arguments, hangs_in):
        hung = Path(f"{ledger}.hung")
        worker = start(
            "work",
            *arguments,
            MONGOJOBS_APP="tests.support.hanging_app",
            MONGOJOBS_BOOT_TIMEOUT="2",
            HANGS_IN=hangs_in,
            HAS_HUNG=str(hung),
        )

        worker.says("not imported the app within 2s")
        eventually(lambda: "hanging_app.py" in worker.errors and " in hang\n" in worker.errors)
        hung.touch()
        hanging_app.harmless.delay_many([(str(ledger), number) for number in range(20)])
        eventually(lambda: app.store.collection.count_documents({}) == 0)
