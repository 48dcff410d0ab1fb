"""A job without a unique key costs nothing of what unique jobs need: neither a command nor a word in one."""

import pytest

from mongojobs.core.transitions import Succeeded
from mongojobs.store import indexes
from mongojobs.unique.terms import Terms
from tests.support.endings import ERRORED, SNOOZED
from tests.support.jobs import a_job
from tests.support.stores import reserve

TERMS = Terms()


def a_unique_job(**changes):
    return a_job(unique_key="k", unique_digest="k", unique_text="k", **changes)


@pytest.fixture
def store(server_store):
    return server_store


@pytest.mark.parametrize(
    ("call", "commands"),
    [
        (lambda store: store.insert(a_job()), ["insert"]),
        (lambda store: store.insert_many([a_job(), a_job()]), ["insert"]),
        (reserve, ["findAndModify"]),
        (lambda store: reserve(store, 5), ["find", "update", "find"]),
        (lambda store: store.finish(reserve(store, 5)), ["find", "update", "find", "delete"]),
        (lambda store: store.end(reserve(store)[0], ERRORED), ["findAndModify", "update"]),
        (
            lambda store: store.end_all([(job, SNOOZED) for job in reserve(store, 5)]),
            ["find", "update", "find", "update"],
        ),
        (lambda store: store.release(reserve(store, 5), started=True), ["find", "update", "find", "update"]),
        (lambda store: store.rescue(by="w"), ["find"]),
    ],
)
def test_no_command_of_a_job_without_a_key_knows_of_keys(store, spy, call, commands):
    store.insert_many([a_job() for _ in range(5)])
    spy.sent.clear()

    call(store)

    sent = [{**event.command, "projection": None} for event in spy.sent]
    assert spy.names == commands
    assert [word for word in ("unique", "again", "merged") if word in str(sent)] == []


def test_only_jobs_that_hold_keys_are_in_the_index(store):
    store.insert_many([a_job() for _ in range(5)])
    store.insert_unique(a_unique_job(), TERMS)

    found = store.collection.find({"unique_key": {"$exists": True}}).hint(indexes.UNIQUE).explain()

    assert found["executionStats"]["totalKeysExamined"] == 1


@pytest.mark.parametrize(
    ("prepare", "commands"),
    [
        (lambda _store: None, ["insert"]),
        (lambda store: store.insert_unique(a_unique_job(), TERMS), ["insert", "find", "update"]),
    ],
    ids=["free", "held"],
)
def test_a_unique_job_whose_key_is_free_costs_one_command_too(store, spy, prepare, commands):
    store.insert_unique(a_unique_job(), TERMS)
    store.finish(reserve(store))
    prepare(store)
    spy.sent.clear()

    store.insert_unique(a_unique_job(), TERMS)

    assert spy.names == commands


@pytest.mark.parametrize(
    ("jobs", "commands"),
    [
        ([a_unique_job()], ["find", "delete"]),
        ([a_job(), a_job(unique_key="k2", unique_digest="k2")], ["find", "delete"]),
        ([a_job(), a_job()], ["delete"]),
    ],
    ids=["one", "many", "none"],
)
def test_the_end_of_unique_jobs_asks_once_how_many_calls_were_merged(store, spy, jobs, commands):
    store.queries.on_merged = lambda _job, _number: None
    store.insert_many(jobs)
    held = reserve(store, 5)
    spy.sent.clear()

    store.finish(held)

    assert spy.names == commands


def test_many_unique_jobs_cost_one_command_more(store, spy):
    store.insert_unique(a_unique_job(), TERMS)
    store.end_all([(job, Succeeded()) for job in reserve(store)])
    jobs = [a_job(unique_key=str(number), unique_digest=str(number)) for number in range(50)]
    spy.sent.clear()

    store.insert_many_unique(jobs, TERMS)

    assert spy.names == ["find", "insert"]
