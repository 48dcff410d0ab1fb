"""Connecting, while the database answers, is away, hangs, or the worker is stopped."""

import threading

import pytest

from mongojobs.core.errors import StoreUnavailableError
from mongojobs.core.lifecycle import Reporter
from mongojobs.core.notices import DatabaseAway, DatabaseBack
from mongojobs.worker.connecting import Connecting
from mongojobs.worker.outage import Outage
from tests.support.waiting import eventually
from tests.support.worker_parts import Told


class OpenedConnections:
    def __init__(self):
        self.closed = threading.Event()

    def close(self):
        self.closed.set()


class Database:
    """Answers each try to connect as the test says: it raises, or gives connections; at a *gate* it hangs before."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def connect(self):
        answer = self.answers.pop(0)
        self.asked.set()
        self.gate.wait(30)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def stopping():
    return threading.Event()


@pytest.fixture
def connecting_to(told, stopping):
    return lambda database: Connecting(database.connect, Outage(Reporter(told, "worker")), stopping)


def stop(connecting, stopping):
    stopping.set()
    connecting.give_up()


class InAThread(threading.Thread):
    def __init__(self, connecting):
        super().__init__()
        self.connecting = connecting
        self.start()

    def run(self):
        self.answer = self.connecting.run()

    def end(self):
        self.join(30)
        assert not self.is_alive()
        return self.answer


class TestConnecting:
    def test_gives_the_connections(self, connecting_to):
        connections = OpenedConnections()

        connecting = connecting_to(Database(connections))

        assert connecting.run() is connections
        assert not connecting.hangs
        assert not connections.closed.is_set()

    def test_waits_for_a_database_that_is_away_and_reports_it(self, connecting_to, told):
        connections = OpenedConnections()

        connecting = connecting_to(Database(StoreUnavailableError("away"), connections))

        assert connecting.run() is connections
        assert len(told.of(DatabaseAway)) == len(told.of(DatabaseBack)) == 1

    @pytest.mark.parametrize("error", [StoreUnavailableError("wrong password", refused=True), ValueError("a bug")])
    def test_raises_what_will_not_pass(self, connecting_to, error):
        connecting = connecting_to(Database(error))

        with pytest.raises(type(error), match=str(error)):
            connecting.run()

    def test_asks_for_nothing_once_stopped(self, connecting_to, stopping):
        connecting = connecting_to(database := Database())
        stop(connecting, stopping)

        assert connecting.run() is None
        assert not database.asked.is_set()

    def test_of_a_database_that_hangs_ends_with_a_stop(self, connecting_to, stopping):
        database = Database(OpenedConnections())
        database.gate.clear()
        connecting = connecting_to(database)
        run = InAThread(connecting)
        database.asked.wait(30)

        stop(connecting, stopping)

        assert run.end() is None
        assert connecting.hangs
        database.gate.set()

    def test_closes_connections_that_come_after_the_stop(self, connecting_to, stopping):
        connections = OpenedConnections()
        database = Database(connections)
        database.gate.clear()
        connecting = connecting_to(database)
        run = InAThread(connecting)
        database.asked.wait(30)

        stop(connecting, stopping)
        run.end()
        database.gate.set()

        assert connections.closed.wait(30)
        eventually(lambda: not connecting.hangs)

    def test_that_fails_after_the_stop_tells_nobody(self, connecting_to, stopping, told):
        database = Database(StoreUnavailableError("away"))
        database.gate.clear()
        connecting = connecting_to(database)
        run = InAThread(connecting)
        database.asked.wait(30)

        stop(connecting, stopping)
        run.end()
        database.gate.set()

        eventually(lambda: not connecting.hangs)
        assert told.notices == []
