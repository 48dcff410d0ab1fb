"""Filters with a meaning."""

import dataclasses

import bson

from mongojobs.core.limits import LONGEST_NAME
from mongojobs.store.filters import QueueSelector, held_groups, in_parts, wanted_ready
from tests.support.jobs import a_job

ONE = a_job(id=1, lock_token="a")
TWO = a_job(id=2, lock_token="a")
THREE = a_job(id=3, lock_token="b")


class TestHeldGroups:
    def test_matches_each_id_under_its_own_token(self):
        assert held_groups([ONE, THREE, TWO]) == {
            "$or": [
                {"state": "running", "lock_token": "a", "_id": {"$in": [1, 2]}},
                {"state": "running", "lock_token": "b", "_id": {"$in": [3]}},
            ]
        }

    def test_of_one_token_needs_no_alternatives(self):
        assert held_groups([ONE, TWO]) == {"state": "running", "lock_token": "a", "_id": {"$in": [1, 2]}}

    def test_of_a_job_without_a_token_matches_no_lock(self):
        unlocked = dataclasses.replace(ONE, lock_token=None)

        assert held_groups([unlocked])["lock_token"] is None


class TestParts:
    def test_are_in_order_and_complete(self):
        ids = list(range(25_000))

        assert [one for part in in_parts(ids) for one in part] == ids
        assert [*in_parts([])] == []

    def test_fit_a_query_even_with_the_longest_ids(self):
        longest = "\N{GRINNING FACE}" * LONGEST_NAME

        assert all(len(bson.encode({"_id": {"$in": part}})) < 2**24 for part in in_parts([longest] * 25_000))


class TestWantedReady:
    def test_bounds_the_priority_when_every_one_is_wanted(self):
        assert wanted_ready(QueueSelector()) == {"state": "ready", "priority": {"$gte": -(2**31), "$lte": 2**31 - 1}}

    def test_names_queues_and_priorities(self):
        wanted = QueueSelector(queues=("mail", "bulk"), min_priority=-1, max_priority=5)

        assert wanted_ready(wanted) == {
            "state": "ready",
            "priority": {"$gte": -1, "$lte": 5},
            "queue": {"$in": ["mail", "bulk"]},
        }
