"""A replica set of three under load, whose primary is killed, stepped down, hung or rolled back: nothing is lost."""

import contextlib
import threading
import time

import pytest

from tests.support.rig import app as jobs
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

slow = pytest.mark.slow


def short(number):
    return jobs.takes.delay(number, 0.02)


def with_an_id(number):
    return jobs.quick.options(job_id=f"order-{number}").delay(number)


def kill(trio):
    primary = trio.primary
    primary.kill()
    trio.wait_for_primary()
    primary.restart()


def step_down_three_times(trio):
    for _ in range(3):
        trio.step_down()


def hang(trio):
    primary = trio.primary
    primary.pause()
    eventually(lambda: trio.wait_for_primary() is not primary, seconds=60)
    time.sleep(5)
    primary.resume()


def roll_back(trio):
    primary = trio.primary
    with trio.followers_deaf():
        time.sleep(1.5)
        primary.kill()
    trio.wait_for_primary()
    primary.restart()


def leave_alone(trio):
    followers = trio.followers
    for node in followers:
        node.pause()
    time.sleep(5)
    for node in followers:
        node.resume()
    trio.wait_for_primary()


class TestAPrimaryThat:
    @pytest.mark.parametrize(
        "fails",
        [kill, *(pytest.param(harm, marks=slow) for harm in (step_down_three_times, hang, roll_back, leave_alone))],
        ids=lambda harm: harm.__name__,
    )
    def test_fails_under_load_costs_no_job_and_no_run(self, rig_on, trio, trio_uri, fails):
        rig = rig_on(trio_uri, lease=90, heartbeat=2)
        for _ in range(2):
            rig.work("--threads", "2")
        with rig.load(short, with_an_id, jobs.fails_at_first.delay, pause_seconds=0.05):
            rig.wait_for_ends(30)
            fails(trio)
            rig.wait_for_ends(60, seconds=90)

        verdict = rig.check(seconds=110)

        assert (verdict.lost, verdict.extra_runs) == (0, 0)


def place(rig, session, number):
    """Store an order and enqueue its job in one transaction; abort every third."""

    def body(session):
        session.client.get_default_database().orders.insert_one({"_id": number}, session=session)
        with rig.app.active():
            jobs.quick.options(session=session).delay(number)
        if number % 3 == 0:
            raise AbortError

    with contextlib.suppress(AbortError):
        session.with_transaction(body)


def place_some(rig, session, numbers):
    for number in numbers:
        place(rig, session, number)


class AbortError(Exception):
    """Raised to end a transaction."""


class TestATransaction:
    @slow
    def test_makes_a_job_exist_exactly_if_it_commits_whatever_happens_to_the_primary(self, rig_on, trio, trio_uri):
        rig = rig_on(trio_uri, lease=90, heartbeat=2)
        orders = rig.app.link.client.get_default_database().orders
        orders.insert_one({"_id": 0})
        rig.work("--threads", "2")

        with rig.app.link.client.start_session() as session:
            place_some(rig, session, range(1, 31))
            stepping_down = threading.Thread(target=trio.step_down)
            stepping_down.start()
            place_some(rig, session, range(31, 61))
            stepping_down.join()
        rig.settle()

        placed = {order["_id"] for order in orders.find({"_id": {"$ne": 0}})}
        assert placed == {number for number in range(1, 61) if number % 3}
        assert sorted(run.number for run in rig.ledger.runs()) == sorted(placed)
