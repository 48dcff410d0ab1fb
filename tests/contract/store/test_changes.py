"""What a transition writes means the same to MongoDB and to the memory of tests."""

import dataclasses
from datetime import timedelta

import pytest

from mongojobs.core.change import DELETED, Change
from mongojobs.store.documents import to_update
from tests.support.clock import START
from tests.support.jobs import a_job

RETRY = {"at": START, "by": "$olga"}
OPERATORS = {
    "sets": {"state": "failed", "last_error": "$name", "took": timedelta(seconds=2), "errors": ({"error": "$e"},)},
    "unsets": ("deferred_since", "deferred_reason", "expire_at"),
    "adds": {"fence": 2},
    "lowers": {"run_at": START - timedelta(hours=1), "finished_at": START + timedelta(hours=1)},
    "pushes": {"retries": RETRY},
}


@pytest.fixture
def store(database_store):
    return database_store


def a_full_job():
    entries = tuple({"at": START, "by": str(number)} for number in range(10))
    return a_job(deferred_since=START, deferred_reason="r", fence=1, finished_at=START, retries=entries)


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_operator_does_in_the_database_what_it_does_in_memory(store, operator):
    job, change = a_full_job(), Change(**{operator: OPERATORS[operator]})
    store.insert(job)

    store.collection.update_one({"_id": job.id}, to_update(change, is_real=store.queries.is_real))

    assert store.get(job.id) == change.applied_to(job) != job


def test_all_operators_go_together(store):
    job, change = a_full_job(), Change(**OPERATORS)
    store.insert(job)

    store.collection.update_one({"_id": job.id}, to_update(change, is_real=store.queries.is_real))

    assert store.get(job.id) == change.applied_to(job)


def test_no_operator_is_left_out_above():
    assert {field.name for field in dataclasses.fields(Change)} == {*OPERATORS, "deletes"}


def test_a_deletion_leaves_nothing_in_memory():
    assert DELETED.applied_to(a_job()) is None
