"""A database that is slow, cut off, or silent, seen through a network that the test spoils."""

import time

import pytest

from tests.support.mongod import Server, with_database
from tests.support.rig import Proxy
from tests.support.rig import app as jobs

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def short(number):
    return jobs.takes.delay(number, 0.02)


@pytest.fixture
def proxy(mongod):
    """A way to the node of the server of all tests."""
    [node] = mongod.nodes
    with Proxy(node.port) as proxy:
        yield proxy


@pytest.fixture
def behind(rig, proxy):
    """A rig with two workers whose way to the database is the proxy; enqueuers are not disturbed."""
    for _ in range(2):
        rig.work("--threads", "2", uri=rig.through(proxy))
    return rig


class TestADatabaseThat:
    def test_takes_400_milliseconds_for_everything_costs_no_run(self, behind, proxy):
        with behind.load(short, jobs.fails_at_first.delay, pause_seconds=0.3):
            behind.wait_for_ends(10)
            proxy.delay(0.2)
            behind.wait_for_ends(30, seconds=60)
        proxy.heal()

        verdict = behind.check()

        assert verdict.extra_runs == 0

    def test_is_cut_off_again_and_again_costs_no_run(self, behind, proxy):
        with behind.load(short, jobs.fails_at_first.delay, pause_seconds=0.05):
            for _ in range(15):
                behind.wait_for_ends(10)
                proxy.cut_once()

        verdict = behind.check()

        assert verdict.extra_runs == 0

    def test_carries_out_what_it_does_not_answer_costs_no_run(self, behind, proxy):
        with behind.load(short, jobs.fails_at_first.delay, pause_seconds=0.05):
            for _ in range(10):
                behind.wait_for_ends(10)
                proxy.lose_answers("findAndModify", "update", "delete", "find", times=3)

        verdict = behind.check()

        assert verdict.extra_runs == 0

    def test_is_behind_a_black_hole_for_less_than_a_lease_costs_no_run(self, behind, proxy):
        with behind.load(short, jobs.fails_at_first.delay, pause_seconds=0.05):
            behind.wait_for_ends(20)
            proxy.black_hole()
            time.sleep(2)
            proxy.heal()
            behind.wait_for_ends(20)

        verdict = behind.check()

        assert verdict.extra_runs == 0


@pytest.fixture
def server():
    """A server of this test's own."""
    with Server(own=True, quick=True) as server:
        yield server


class TestADatabaseThatIsAwayForHalfAMinute:
    def test_is_waited_for_with_one_line_in_the_log(self, server, rig_on):
        rig = rig_on(with_database(server.uri, "jobs"), enqueue_timeout=1)
        [node] = server.nodes
        workers = [rig.work("--threads", "2") for _ in range(2)]
        with rig.load(short, jobs.fails_at_first.delay, pause_seconds=0.1):
            rig.wait_for_ends(20)
            with rig.outage():
                node.kill()
                time.sleep(30)
                node.restart()
                server.wait_for_primary()
            rig.wait_for_ends(20, seconds=60)

        rig.check()

        assert [worker.output.count("Trying again until") for worker in workers] == [1, 1]
