"""Creating the indexes, and reporting which are missing or different."""

from mongojobs.store.indexes import INDEXES, check_indexes, create_indexes
from mongojobs.store.jobs import open_store
from tests.support.jobs import a_job
from tests.support.stores import stored


class TestCreateIndexes:
    def test_creates_all_that_are_missing(self, client, settings, clock):
        store = open_store(client, client.get_default_database().name, settings, clock)

        before, made, after = (look(store.collection) for look in (check_indexes, create_indexes, check_indexes))

        assert not before.is_complete
        assert {one.status for one in before.indexes} == {"missing"}
        assert [one.index for one in made.with_status("created")] == list(INDEXES)
        assert {one.status for one in after.indexes} == {"present"}
        assert made.is_complete
        assert after.is_complete

    def test_changes_nothing_the_second_time(self, server_store, spy):
        report = create_indexes(server_store.collection)

        assert {one.status for one in report.indexes} == {"present"}
        assert set(spy.names) == {"listIndexes"}

    def test_creates_what_was_dropped(self, server_store):
        server_store.collection.drop_index("ended")

        report = create_indexes(server_store.collection)

        assert [one.index.name for one in report.with_status("created")] == ["ended"]

    def test_puts_the_one_for_workers_into_their_collection(self, server_store):
        workers = server_store.collection.database[server_store.collection.name + "_workers"]

        assert workers.index_information()["alive"]["expireAfterSeconds"] == 0

    def test_leaves_an_index_of_other_options_and_says_what_to_do(self, server_store):
        jobs = server_store.collection
        jobs.drop_index("ready")
        jobs.create_index([("priority", 1), ("run_at", 1)], name="ready")

        [different] = create_indexes(jobs).with_status("different")

        assert different.index.name == "ready"
        assert "has the keys {'priority': 1, 'run_at': 1} and should have" in different.remedy
        assert 'db.delayed_jobs.dropIndex("ready")' in different.remedy

    def test_reports_a_missing_partial_filter(self, server_store):
        jobs = server_store.collection
        jobs.drop_index("ended")
        jobs.create_index([("state", 1), ("finished_at", 1), ("_id", 1), ("queue", 1), ("name", 1)], name="ended")

        [different] = check_indexes(jobs).with_status("different")

        assert "has partialFilterExpression None and should have" in different.remedy

    def test_reports_a_ttl_that_became_hidden(self, server_store):
        jobs = server_store.collection
        jobs.database.command("collMod", jobs.name, index={"name": "expired", "hidden": True})

        [different] = check_indexes(jobs).with_status("different")

        assert "has hidden True" in different.remedy

    def test_reports_the_same_index_under_another_name(self, server_store):
        jobs = server_store.collection
        jobs.drop_index("ready")
        jobs.create_index(
            [("priority", 1), ("run_at", 1), ("_id", 1)],
            name="theirs",
            partialFilterExpression={"state": "ready"},
        )

        [different] = create_indexes(jobs).with_status("different")

        assert "theirs is the index ready under another name" in different.remedy

    def test_works_on_mongomock(self, mock_store):
        assert create_indexes(mock_store.collection).is_complete
        assert create_indexes(mock_store.collection).is_complete
        assert all(mock_store.insert(a_job()) for _ in range(2))

    def test_never_lets_the_server_remove_a_job_that_waits(self):
        [ttl] = [index for index in INDEXES if index.is_ttl and not index.suffix]

        assert ttl.only == {"state": {"$in": ["completed", "failed", "cancelled"]}}


class TestIndexes:
    def test_each_says_what_it_serves(self):
        assert all(index.serves for index in INDEXES)

    def test_do_not_keep_a_job_from_being_stored(self, server_store):
        job = a_job(name="x" * 256, queue="y" * 256)
        server_store.insert(job)

        assert stored(server_store, job)["name"] == job.name
