"""Enqueueing: what is stored once it returned, and what its errors promise."""

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, DuplicateKeyError

from mongojobs.core.errors import (
    EnqueueRefusedError,
    EnqueueUnknownError,
    OptionError,
    PartialEnqueueError,
    StoreUnavailableError,
)
from mongojobs.core.settings import Settings
from mongojobs.store import clients, filters
from mongojobs.store.jobs import JobStore, open_store
from tests.support.clock import HeldClock
from tests.support.failpoints import WRITE_CONCERN_ERROR, failing
from tests.support.jobs import a_job
from tests.support.sessions import needs_bound_sessions
from tests.support.stores import reserved, stored
from tests.support.waiting import LONG, promptly

NOWHERE = f"mongodb://127.0.0.1:1/jobs?serverSelectionTimeoutMS={LONG * 1000}"


class TestInsert:
    def test_stores_the_job(self, store):
        job = a_job()

        assert store.insert(job)
        assert store.get(job.id) == job

    def test_stores_no_field_that_has_no_value(self, store):
        job = a_job()
        store.insert(job)

        assert stored(store, job).keys() == {
            *("_id", "name", "queue", "priority", "run_at", "state", "handler", "created_at"),
            *("attempts", "fence", "losses", "releases", "snoozes"),
        }

    @pytest.mark.parametrize("job_id", ["order-1", 42, "$ne"])
    def test_of_an_id_that_is_there_changes_nothing(self, store, job_id):
        first = a_job(id=job_id, id_given=True)
        store.insert(first)

        assert not store.insert(a_job(id=job_id, id_given=True, priority=9))
        assert store.get(job_id) == first

    def test_of_an_id_that_has_completed_changes_nothing(self, store):
        held = reserved(store, a_job(id="order-1", id_given=True))
        store.finish([held])

        assert not store.insert(a_job(id="order-1", id_given=True))
        assert store.get("order-1").state == "completed"


class TestInsertMany:
    def test_stores_all(self, store):
        jobs = [a_job() for _ in range(3)]

        store.insert_many(jobs)

        assert [store.get(job.id) for job in jobs] == jobs

    def test_of_nothing_does_nothing(self, store):
        store.insert_many([])

    def test_takes_one_round_trip(self, server_store, spy):
        server_store.insert_many([a_job() for _ in range(500)])

        assert spy.names == ["insert"]

    def test_counts_given_ids_that_are_there_as_stored(self, store):
        there, new = a_job(id="a", id_given=True), a_job(id="b", id_given=True)
        store.insert(there)

        store.insert_many([new, a_job(id="a", id_given=True, priority=9)])

        assert (store.get("a"), store.get("b")) == (there, new)

    def test_says_which_are_stored_when_some_are_refused(self, server_store):
        server_store.collection.database.command(
            "collMod", server_store.collection.name, validator={"name": {"$ne": "refused"}}
        )
        jobs = [a_job(), a_job(name="refused"), a_job()]

        with pytest.raises(PartialEnqueueError, match="2 of 3 jobs were stored") as raised:
            server_store.insert_many(jobs)

        assert raised.value.stored == [jobs[0].id, jobs[2].id]
        assert raised.value.not_stored == [jobs[1].id]
        assert raised.value.reasons == {jobs[1].id: "Document failed validation"}
        assert server_store.collection.count_documents({}) == 2


def insert_one(store):
    store.insert(a_job())


def insert_with_an_id(store):
    store.insert(a_job(id="order-1", id_given=True))


def insert_some(store):
    store.insert_many([a_job(), a_job()])


class TestARefusal:
    """What the database refuses is not stored: nobody needs to wonder whether it was."""

    @pytest.mark.parametrize("insert", [insert_one, insert_with_an_id, insert_some])
    @pytest.mark.parametrize("code", [13, 20, 115, 166, 323, 8000, 13297, 14031, 51091])
    def test_is_reported_as_one(self, server_store, administrator, insert, code):
        with failing(administrator, "insert", errorCode=code), pytest.raises(EnqueueRefusedError) as raised:
            insert(server_store)

        assert "the database refused to store the job: " in str(raised.value)
        assert server_store.collection.count_documents({}) == 0

    def test_by_a_rule_of_the_collection_is_reported_as_one(self, server_store):
        server_store.collection.database.command(
            "collMod", server_store.collection.name, validator={"name": {"$ne": "refused"}}
        )

        with pytest.raises(EnqueueRefusedError, match=r"(?m)Document failed validation$") as raised:
            server_store.insert(a_job(name="refused"))

        assert not raised.value.refused

    def test_by_a_view_is_reported_as_one(self, server_store):
        database, name = server_store.collection.database, server_store.collection.name
        server_store.collection.drop()
        database.create_collection("others")
        database.command("create", name, viewOn="others", pipeline=[])

        with pytest.raises(EnqueueRefusedError, match="view"):
            server_store.insert(a_job())


class TestInsertOfAnotherUniqueIndex:
    def test_passes_its_error_on(self, server_store):
        server_store.collection.create_index("name", unique=True, name="theirs")
        server_store.insert(a_job())

        with pytest.raises(DuplicateKeyError):
            server_store.insert(a_job())


class TestTransaction:
    """Guarantee I13: with a session passed in, the job exists if and only if the transaction commits."""

    def test_that_commits_leaves_the_job(self, server_store, transaction):
        job = a_job()
        server_store.insert(job, session=transaction)
        before = server_store.get(job.id)

        transaction.commit_transaction()

        assert (before, server_store.get(job.id)) == (None, job)

    def test_that_aborts_leaves_none(self, server_store, transaction):
        job, others = a_job(), [a_job(), a_job()]
        server_store.insert(job, session=transaction)
        server_store.insert_many(others, session=transaction)

        transaction.abort_transaction()

        assert server_store.collection.count_documents({}) == 0

    def test_takes_many_jobs(self, server_store, transaction):
        jobs = [a_job(), a_job()]
        server_store.insert_many(jobs, session=transaction)

        transaction.commit_transaction()

        assert server_store.collection.count_documents({}) == 2

    def test_goes_on_after_an_id_that_is_there(self, server_store, transaction):
        server_store.insert(a_job(id="there", id_given=True))

        again = server_store.insert(a_job(id="there", id_given=True), session=transaction)
        server_store.insert_many(
            [a_job(id="there", id_given=True), a_job(id="new", id_given=True)], session=transaction
        )
        transaction.commit_transaction()

        assert not again
        assert server_store.get("new") is not None

    def test_finds_all_ids_that_are_there_among_more_than_one_query_can_name(
        self, server_store, transaction, monkeypatch
    ):
        monkeypatch.setattr(filters, "MOST_NAMED", 2)
        there, new = [a_job(id=number, id_given=True) for number in (1, 4, 5)], [a_job(id=7, id_given=True)]
        server_store.insert_many(there)

        server_store.insert_many([*there, *new], session=transaction)
        transaction.commit_transaction()

        assert server_store.collection.distinct("_id") == [1, 4, 5, 7]

    def test_gets_the_errors_of_the_driver_with_their_labels(self, server_store, transaction, administrator):
        with failing(administrator, "insert", closeConnection=True), pytest.raises(AutoReconnect) as raised:
            server_store.insert(a_job(), session=transaction)

        assert raised.value.has_error_label("TransientTransactionError")

    @needs_bound_sessions
    def test_of_a_bound_session_is_honoured(self, server_store, client):
        kept, dropped = a_job(), a_job()
        with client.start_session() as session, session.bind(end_session=False):
            with session.start_transaction():
                server_store.insert(kept)
            session.start_transaction()
            server_store.insert_many([dropped])
            session.abort_transaction()

        assert server_store.get(kept.id) == kept
        assert server_store.get(dropped.id) is None

    @needs_bound_sessions
    def test_of_a_bound_session_does_not_keep_the_clock_from_asking_the_server(self, client):
        store = open_store(client, client.get_default_database().name, Settings())
        with client.start_session() as session, session.bind(), session.start_transaction():
            assert store.clock.now() is not None

    def test_session_of_another_client_is_refused(self, server_store, mongo_uri):
        with (
            MongoClient(mongo_uri) as other,
            other.start_session() as session,
            pytest.raises(OptionError, match="a different client"),
        ):
            server_store.insert(a_job(), session=session)

    @needs_bound_sessions
    def test_bound_session_of_another_client_is_refused(self, server_store, mongo_uri):
        with (
            MongoClient(mongo_uri) as other,
            other.start_session() as session,
            session.bind(),
            pytest.raises(OptionError, match="a different client"),
        ):
            server_store.insert(a_job())

    def test_session_without_a_transaction_is_passed_on(self, server_store, client, spy):
        with client.start_session() as session:
            server_store.insert(a_job(), session=session)
            session_id = session.session_id

        assert spy.sent[0].command["lsid"] == session_id

    def test_works_with_a_driver_that_has_no_bound_sessions(self, server_store, monkeypatch):
        monkeypatch.setattr(clients, "_BOUND_SESSION", "_no_such_method")

        assert server_store.insert(a_job())


class TestDurability:
    def test_writes_to_a_majority_whatever_the_client_says(self, server_store, mongo_uri, spy_on):
        with spy_on(mongo_uri, w=1, readPreference="secondaryPreferred") as (client, spy):
            store = open_store(client, client.get_default_database().name, Settings(), HeldClock())
            store.insert(a_job())
            store.get("x")

        insert, find = spy.sent
        assert insert.command["writeConcern"]["w"] == "majority"
        assert find.command.get("$readPreference", {"mode": "primary"})["mode"] != "secondaryPreferred"


class TestLostAnswer:
    """An error after which the job may be stored; the server fails as told."""

    @pytest.fixture
    def settings(self):
        return Settings(enqueue_timeout=2)

    @pytest.fixture
    def store_without_retries(self, mongo_uri, server_store):
        with MongoClient(mongo_uri, retryWrites=False) as client:
            yield open_store(client, client.get_default_database().name, server_store.settings, HeldClock())

    def test_once_is_no_matter(self, server_store, administrator):
        job = a_job()
        with failing(administrator, "insert", closeConnection=True):
            assert server_store.insert(job)

        assert server_store.collection.count_documents({}) == 1

    def test_for_good_is_unknown_and_not_tried_again(self, store_without_retries, administrator):
        job = a_job()
        with (
            failing(administrator, "insert", closeConnection=True),
            pytest.raises(EnqueueUnknownError, match="may be stored") as raised,
        ):
            store_without_retries.insert(job)

        assert raised.value.job_id == job.id
        assert store_without_retries.collection.count_documents({}) == 0

    def test_of_a_job_with_a_given_id_is_tried_again(self, store_without_retries, administrator):
        with failing(administrator, "insert", closeConnection=True, times=2):
            assert store_without_retries.insert(a_job(id="order-1", id_given=True))

        assert store_without_retries.collection.count_documents({}) == 1

    def test_of_a_stored_job_with_a_given_id_is_found_by_the_next_try(self, server_store, administrator):
        with failing(administrator, "insert", writeConcernError=WRITE_CONCERN_ERROR):
            assert server_store.insert(a_job(id="order-1", id_given=True))

    def test_about_a_write_not_confirmed_is_unknown(self, server_store, administrator):
        job = a_job()
        with (
            failing(administrator, "insert", writeConcernError=WRITE_CONCERN_ERROR),
            pytest.raises(EnqueueUnknownError),
        ):
            server_store.insert(job)

        assert server_store.get(job.id) is not None

    def test_of_many_jobs_that_are_stored_and_confirmed_is_no_matter(self, server_store, administrator):
        jobs = [a_job(), a_job()]
        with failing(administrator, "insert", writeConcernError=WRITE_CONCERN_ERROR):
            server_store.insert_many(jobs)

        assert server_store.collection.count_documents({}) == 2

    def test_of_more_jobs_than_one_query_can_name_is_no_matter(self, server_store, administrator, monkeypatch):
        monkeypatch.setattr(filters, "MOST_NAMED", 2)
        jobs = [a_job() for _ in range(5)]

        with failing(administrator, "insert", writeConcernError=WRITE_CONCERN_ERROR):
            server_store.insert_many(jobs)

        assert server_store.collection.count_documents({}) == 5

    def test_of_many_jobs_names_those_that_cannot_be_seen(self, store_without_retries, administrator):
        jobs = [a_job(), a_job()]
        with (
            failing(administrator, "insert", closeConnection=True),
            pytest.raises(EnqueueUnknownError, match="2 jobs may be stored") as raised,
        ):
            store_without_retries.insert_many(jobs)

        assert raised.value.job_id == [job.id for job in jobs]


class TestNoAnswer:
    @pytest.fixture
    def nowhere(self, settings):
        with MongoClient(NOWHERE) as client:
            yield open_store(client, "jobs", settings, HeldClock())

    @pytest.mark.parametrize("enqueue", [JobStore.insert, lambda store, job: store.insert_many([job])])
    def test_ends_in_time_and_says_that_nothing_was_stored(self, nowhere, enqueue):
        with promptly(), pytest.raises(StoreUnavailableError, match="not available") as raised:
            enqueue(nowhere, a_job())

        assert not raised.value.refused

    def test_of_a_server_that_hangs_ends_in_time(self, server_store, administrator):
        with (
            failing(administrator, "insert", blockConnection=True, blockTimeMS=3000),  # and then it is carried out
            pytest.raises(EnqueueUnknownError),
        ):
            server_store.insert(a_job())

    def test_while_the_server_steps_down_is_waited_for(self, server_store, administrator):
        with failing(administrator, "insert", errorCode=10107, times=3):
            assert server_store.insert(a_job())

    def test_for_want_of_rights_is_refused_at_once(self, server_store, administrator):
        with (
            failing(administrator, "insert", errorCode=13),  # once: another try would succeed
            pytest.raises(StoreUnavailableError, match="refused") as raised,
        ):
            server_store.insert(a_job())

        assert raised.value.refused
