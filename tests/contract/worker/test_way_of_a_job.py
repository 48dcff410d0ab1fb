"""How often a reader changes modules who follows one job through ``work_off``."""

from itertools import groupby

import mongomock
import pytest

import mongojobs
from mongojobs import Worker
from tests.support.profiled import modules_called
from tests.support.worker_jobs import counts, runs

MOST_SWITCHES = 119
"""As few as are reached; a Python whose comprehensions are no calls of their own, from 3.12 on, needs fewer."""


@pytest.fixture(autouse=True)
def app():
    yield mongojobs.configure(database="jobs", client=mongomock.MongoClient())
    mongojobs.configure()


def test_a_worker_that_works_off_one_job_switches_modules_no_more_often_than_it_must():
    counts.delay(1)
    counts.delay(2)
    Worker().work_off(1)
    runs.clear()

    modules = modules_called(lambda: Worker().work_off(1))

    assert runs == [2]
    assert len(list(groupby(modules))) <= MOST_SWITCHES
