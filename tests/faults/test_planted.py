"""The test of the tests: if a fault is planted in the library, the judge of the other tests must find it."""

from datetime import UTC, datetime, timedelta
from time import sleep

import pytest

from tests.support.failpoints import failing
from tests.support.rig import Proxy
from tests.support.rig import app as jobs
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

slow = pytest.mark.slow


@pytest.fixture
def gates(tmp_path):
    """The folder of the gates that jobs wait at, each named for a reserve."""
    folder = tmp_path / "gates"
    folder.mkdir()
    return folder


later = jobs.quick.options(run_in=3600).delay


def guarantees(verdict):
    """Return which guarantees are broken."""
    return {violation.split(":")[0] for violation in verdict.violations}


def finish_late(rig, gates, fault):
    """Let a frozen worker wake up and end a job that fails in another worker by then."""
    [number] = rig.enqueue(lambda number: jobs.waits.delay(number, str(gates), fails_in=2))
    frozen = rig.work(fault=fault)
    rig.wait_for_runs(number)
    with rig.frozen(frozen):
        rig.work()
        rig.wait_for_runs(number, 2)
        (gates / "1").touch()
    frozen.says("is no longer ours" if fault is None else "COMPLETED")
    (gates / "2").touch()
    (gates / "3").touch()


class TestFinishByIdAlone:
    def test_is_found(self, rig, gates):
        finish_late(rig, gates, "finish by _id alone")
        eventually(lambda: rig.ledger.runs()[-1].outcome == "failed")

        assert "I3" in guarantees(rig.judge())

    @slow
    def test_would_not_be_found_without_the_fault(self, rig, gates):
        finish_late(rig, gates, None)

        rig.check()


def finish_beside_another(rig, gates, administrator, fault):
    """Let a stale run end in one write with a job of the token under which the same process runs the job again.

    Both are due at the same moment, behind one more: of jobs that come after a rest the first is reserved by itself.
    """
    [number] = rig.enqueue(lambda number: jobs.waits.delay(number, str(gates), fails_in=2))
    rig.work("--threads", "4", fault=fault)
    rig.wait_for_runs(number)
    together = datetime.now(UTC) + timedelta(seconds=3)
    rig.enqueue(jobs.quick.options(run_at=together, priority=-1).delay)
    [beside] = rig.enqueue(lambda number: jobs.waits.options(run_at=together).delay(number, str(gates)))
    rig.take_back(number, run_at=together)
    rig.wait_for_runs(number, 2)
    rig.wait_for_runs(beside)
    with failing(administrator, "delete", appname="mongojobs", blockConnection=True, blockTimeMS=3000):
        ended = rig.ledger.ends()
        rig.enqueue(jobs.quick.delay)  # while its end is written, the others gather
        eventually(lambda: rig.ledger.ends() > ended)
        (gates / "1").touch()
        eventually(lambda: rig.ledger.ends() == ended + 3)
    (gates / "2").touch()
    (gates / "3").touch()


class TestFinishAcrossTokens:
    def test_is_found(self, rig_on, mongo_uri, gates, administrator):
        rig = rig_on(mongo_uri, lease=40, heartbeat=20)
        finish_beside_another(rig, gates, administrator, "finish across tokens")
        rig.settle()

        assert "I3" in guarantees(rig.judge())

    @slow
    def test_would_not_be_found_without_the_fault(self, rig_on, mongo_uri, gates, administrator):
        rig = rig_on(mongo_uri, lease=40, heartbeat=20)
        finish_beside_another(rig, gates, administrator, None)

        assert guarantees(rig.check()) == set()


class TestLossesNotCounted:
    def test_are_found(self, rig_on, mongo_uri):
        rig = rig_on(mongo_uri, lease=1, heartbeat=0.3, max_losses=2)
        [number] = rig.enqueue(jobs.kills_its_worker.delay)
        rig.work("--processes", "2", fault="losses not counted")
        rig.wait_for_runs(number, 3, seconds=40)

        assert "I7" in guarantees(rig.judge())


class TestNoRescue:
    def test_is_found(self, rig_on, mongo_uri):
        rig = rig_on(mongo_uri, lease=1, heartbeat=0.3)
        [number] = rig.enqueue(lambda number: jobs.takes.delay(number, 60))
        first = rig.work()
        rig.wait_for_runs(number)
        rig.work(fault="no rescue")
        rig.kill(first)
        rig.settle(seconds=4)

        assert "I6" in guarantees(rig.judge())


def hang_for_less_than_a_lease(rig, mongod, fault):
    """Let the database hang just long enough for a lock to run out, and for its owner a little longer than others."""
    [node] = mongod.nodes
    with Proxy(node.port) as owners, Proxy(node.port) as others:
        [number] = rig.enqueue(lambda number: jobs.takes.delay(number, 9))
        rig.work(uri=rig.through(owners))
        rig.wait_for_runs(number)
        rig.work(uri=rig.through(others), fault=fault)
        rig.wait_for_renewal(number)
        sleep(1.6)
        owners.black_hole()
        others.black_hole()
        sleep(2.6)
        others.heal()
        sleep(1)
        owners.heal()
        rig.settle()


@slow
class TestRescueDuringAnOutage:
    def test_is_found(self, rig_on, mongod, mongo_uri):
        rig = rig_on(mongo_uri, lease=4, heartbeat=2)
        hang_for_less_than_a_lease(rig, mongod, "rescue during an outage")

        assert "I4" in guarantees(rig.judge())

    def test_would_not_be_found_without_the_fault(self, rig_on, mongod, mongo_uri):
        rig = rig_on(mongo_uri, lease=4, heartbeat=2)
        hang_for_less_than_a_lease(rig, mongod, None)

        rig.check()


def roll_back(rig, trio):
    """Enqueue while no follower copies, then kill the primary: what only it had is rolled back when it returns."""
    primary = trio.primary
    with trio.followers_deaf(), rig.load(later):
        sleep(1.5)
        primary.kill()
    trio.wait_for_primary()
    primary.restart()
    trio.wait_until_complete()


class TestOneNodeThatConfirms:
    @pytest.mark.filterwarnings("ignore:write_concern is 1")
    def test_is_found_when_it_is_rolled_back(self, rig_on, trio, trio_uri):
        rig = rig_on(trio_uri, write_concern=1)
        rig.enqueue(later, 5)
        roll_back(rig, trio)

        assert "I1" in guarantees(rig.judge())

    @slow
    def test_would_not_be_found_with_a_majority(self, rig_on, trio, trio_uri):
        rig = rig_on(trio_uri, enqueue_timeout=3)
        rig.enqueue(later, 5)
        roll_back(rig, trio)

        assert "I1" not in guarantees(rig.judge())
