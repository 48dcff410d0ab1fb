"""What a doctor asks of a real server: served by indexes, and bounded however many jobs there are."""

from datetime import timedelta
from uuid import uuid4

import pytest
from pymongo import MongoClient

from mongojobs.core.settings import Settings
from mongojobs.store.clients import jobs_collection
from mongojobs.store.indexes import create_indexes
from mongojobs.store.jobs import JobStore
from mongojobs.store.queries import Queries
from mongojobs.store.reader import survey as surveys
from mongojobs.store.reader.job_reader import JobReader
from tests.support.clock import START, HeldClock
from tests.support.jobs import a_job
from tests.support.mongod import with_database
from tests.support.plans import EXPLAINABLE, explain
from tests.support.spy import Spy

MANY = 3000
LOCKED = {"state": "running", "locked_by": "w", "lock_token": "t", "locked_at": START}


@pytest.fixture(scope="module")
def watched(mongod, administrator):
    """A reader of many jobs, the store they are in, and the plans of what it asks."""
    plans = []
    spy = Spy()
    database = f"mongojobs_test_{uuid4().hex[:12]}"
    with MongoClient(with_database(mongod.uri, database), event_listeners=[spy]) as client:
        collection = jobs_collection(client, Settings(), database)
        queries = Queries(collection, HeldClock(), Settings())
        store = JobStore(queries)
        create_indexes(collection)
        store.insert_many([a_job(run_at=START + timedelta(seconds=n), name=f"job{n % 3}") for n in range(MANY)])
        store.insert_many([a_job(state="failed", finished_at=START + timedelta(seconds=n)) for n in range(MANY)])
        store.insert_many([a_job(**LOCKED, locked_until=START - timedelta(hours=1)) for n in range(MANY)])
        spy.look = lambda event: (
            plans.append(explain(administrator, event)) if event.command_name in EXPLAINABLE else None
        )
        yield JobReader(queries), plans
    administrator.drop_database(database)


class TestSurvey:
    @pytest.mark.parametrize("state", ["ready", "failed"])
    def test_reads_no_more_than_a_thousand_jobs_in_the_order_of_an_index(self, watched, state):
        reader, plans = watched
        plans.clear()

        kinds = reader.kinds(state)

        assert sum(kind.jobs for kind in kinds) == surveys.MOST_JOBS
        [plan] = plans
        assert not {"COLLSCAN", "SORT"} & set(plan.stages)
        assert (plan.keys, plan.documents) == (surveys.MOST_JOBS, surveys.MOST_JOBS)
