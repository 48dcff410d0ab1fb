"""Jobs that write in a transaction of their own while harm is done: each has its effect once, and never by halves."""

import random
import threading
from contextlib import contextmanager

import pytest

from tests.support.rig import app as jobs
from tests.support.sessions import needs_bound_sessions
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, needs_bound_sessions]

slow = pytest.mark.slow


IN_ONE = [jobs.orders_once, jobs.orders_by_function]
"""The jobs whose orders and end are one."""


class Orders:
    """What the jobs of a rig have written."""

    def __init__(self, rig):
        self._rig = rig
        self._orders = rig.app.store.collection.database["orders"]
        self._orders.insert_one({"_id": "makes the collection"})

    def count(self):
        return self._orders.estimated_document_count() - 1

    def by_number(self):
        """Return how often each step of each order was done."""
        done = {number: {1: 0, 2: 0} for number in (one.number for one in self._rig.register.enqueued.values())}
        for order in self._orders.find({"number": {"$exists": True}}):
            done[order["number"]][order["step"]] += 1
        return done

    def done_otherwise_than_once(self):
        return {number: steps for number, steps in self.by_number().items() if set(steps.values()) != {1}}


@pytest.fixture
def chance(pytestconfig):
    return random.Random(pytestconfig.option.seed)


@pytest.fixture(autouse=True)
def _short_lives(administrator):
    """Let the server end the transactions of dead workers after 5 s, where it takes a minute."""
    administrator.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=5)
    yield
    administrator.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=60)


AT_ONCE = 100
"""How many orders are enqueued before each kill."""


def kill_again_and_again(rig, orders, chance, functions, *options, kills, fault=None):
    """Replace one of two workers again and again, at some moment of its work on jobs of *functions*."""
    workers = [rig.work(*options, fault=fault) for _ in range(2)]
    for _ in range(kills):
        wanted = orders.count() + chance.randrange(1, AT_ONCE)
        for function in functions:
            rig.enqueue_many(function, AT_ONCE // len(functions))
        eventually(lambda wanted=wanted: orders.count() >= wanted, seconds=60)
        rig.kill(workers.pop(0))
        workers.append(rig.work(*options, fault=fault))


@contextmanager
def stepping_down(trio, *, every_seconds):
    """Make another node the primary again and again during the block."""
    over = threading.Event()

    def step_down():
        while not over.wait(every_seconds):
            trio.step_down()

    thread = threading.Thread(target=step_down)
    thread.start()
    yield
    over.set()
    thread.join(120)


class TestAWorkerThatIsKilled:
    @pytest.mark.parametrize("executor", ["thread", "process"])
    @pytest.mark.parametrize(("kills", "fault"), [(2, "short transactions"), pytest.param(20, None, marks=slow)])
    def test_leaves_no_order_undone_halved_or_doubled(self, rig, chance, executor, kills, fault):
        orders, options = Orders(rig), ("--threads", "3", "--executor", executor)

        kill_again_and_again(rig, orders, chance, IN_ONE, *options, kills=kills, fault=fault)
        rig.settle(seconds=200)

        assert len(orders.by_number()) == kills * AT_ONCE
        assert orders.done_otherwise_than_once() == {}

    def test_doubles_or_halves_orders_without_a_transaction(self, rig, chance):
        orders = Orders(rig)

        kill_again_and_again(rig, orders, chance, [jobs.orders_plainly], "--threads", "3", kills=3)
        rig.settle()

        assert orders.done_otherwise_than_once() != {}


class TestAPrimary:
    def test_that_is_killed_leaves_no_order_undone_halved_or_doubled(self, rig_on, trio, trio_uri):
        rig = rig_on(trio_uri, lease=30, heartbeat=2)
        orders = Orders(rig)
        for _ in range(2):
            rig.work("--threads", "3")
        rig.enqueue_many(jobs.orders_once, 300)
        eventually(lambda: orders.count() > 60, seconds=60)

        primary = trio.primary
        primary.kill()
        trio.wait_for_primary()
        primary.restart()
        rig.settle(seconds=200)

        assert orders.done_otherwise_than_once() == {}

    @slow
    def test_that_steps_down_while_workers_are_killed_does_neither(self, rig_on, trio, trio_uri, chance):
        rig = rig_on(trio_uri)
        orders = Orders(rig)

        with stepping_down(trio, every_seconds=4):
            kill_again_and_again(rig, orders, chance, IN_ONE, "--threads", "3", kills=20)
        rig.settle(seconds=400)

        assert orders.done_otherwise_than_once() == {}


class TestAWorkerThatIsFrozen:
    @slow
    def test_beyond_its_lease_does_neither(self, rig, chance):
        orders = Orders(rig)
        frozen = rig.work("--threads", "3")
        rig.work("--threads", "1")

        for _ in range(4):
            wanted = orders.count() + chance.randrange(1, AT_ONCE)
            rig.enqueue_many(jobs.orders_once, AT_ONCE)
            eventually(lambda wanted=wanted: orders.count() >= wanted, seconds=60)
            with rig.frozen(frozen):
                threading.Event().wait(5)
        rig.settle(seconds=200)

        assert orders.done_otherwise_than_once() == {}
