"""What an enqueue costs, counted in calls of our functions and in commands rather than seconds."""

from collections import Counter

import pytest
from bson import ObjectId
from pymongo import MongoClient

import mongojobs
from mongojobs import delay, job
from mongojobs.payload.calls import sizes
from tests.support.clock import START
from tests.support.documents import Group
from tests.support.profiled import own_calls
from tests.support.sample_jobs import remember_one
from tests.support.spy import Spy


@job(unique=True)
def remember_once(value):
    """Be enqueued."""


@pytest.fixture
def sent(configure, mongo_uri):
    """What the app's client sends from now on."""
    spy = Spy()
    with MongoClient(mongo_uri, event_listeners=[spy]) as client:
        configure(client=client)
        remember_one.delay(0)
        spy.sent.clear()
        yield spy


def calls_for(count, function=remember_one, first=0):
    """Return how many of our functions it takes to enqueue this many jobs at once."""
    return own_calls(lambda: function.delay_many([(number,) for number in range(first, first + count)]))


class TestDelayMany:
    def test_calls_nine_functions_a_job_at_most(self, sent):
        few, many = calls_for(10), calls_for(110)

        assert (many.total() - few.total()) / 100 <= 9, many - few

    def test_measures_no_payload_that_is_surely_small(self, sent, monkeypatch):
        monkeypatch.setattr(sizes, "bson", None)

        stored = remember_one.delay_many([(value,) for value in (1, 0.5, None, ObjectId(), START, "a text")])

        assert len(stored) == 6

    def test_sends_one_command(self, sent):
        remember_one.delay_many([(number,) for number in range(1000)])

        assert sent.names == ["insert"]


class TestDelay:
    def test_calls_fifty_eight_functions_at_most(self, sent):
        each = [own_calls(lambda: remember_one.delay(1)) for _ in range(3)]

        calls = min(each, key=Counter.total)  # a clock not looked at for 10 ms asks who answers
        assert calls.total() <= 58, calls

    def test_sends_one_command(self, sent):
        remember_one.delay(1)

        assert sent.names == ["insert"]


class TestDelayOfAMethod:
    def test_looks_the_method_up_three_times_at_most(self, sent, connection):
        group = Group(name="sales").save()

        calls = own_calls(lambda: delay(group).update_users())

        assert calls["method_of"] <= 3, calls


class TestAUniqueJob:
    @pytest.fixture(autouse=True)
    def index(self, sent):
        mongojobs.default_app().create_indexes()
        remember_once.delay("the first, which looks for the index")
        sent.sent.clear()

    def test_calls_nine_functions_more_at_most(self, sent):
        plain, unique = own_calls(lambda: remember_one.delay(1)), own_calls(lambda: remember_once.delay(1))

        assert unique.total() - plain.total() <= 9, unique - plain

    def test_among_many_calls_five_functions_more_at_most(self, sent):
        few, many = calls_for(10, remember_once), calls_for(110, remember_once, first=10)

        assert (many.total() - few.total()) / 100 <= 9 + 5, many - few

    def test_sends_one_command(self, sent):
        remember_once.delay(1)

        assert sent.names == ["insert"]

    def test_is_looked_for_before_many_are_stored(self, sent):
        remember_once.delay_many([(number,) for number in range(1000)])

        assert sent.names == ["find", "insert"]
