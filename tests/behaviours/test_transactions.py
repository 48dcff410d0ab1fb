"""A job that is enqueued in a transaction exists exactly if the transaction commits."""

import pytest

from mongojobs import OptionError, enqueue
from tests.support.sample_documents import Band
from tests.support.sample_jobs import Newsletter, remember_one
from tests.support.sessions import needs_bound_sessions
from tests.support.working import work_off


@pytest.fixture
def session(app, connection):
    """A session with a transaction that goes on."""
    app.store.collection.insert_one({"_id": "makes the collection"})
    app.store.collection.delete_one({"_id": "makes the collection"})
    with connection.start_session() as session:
        session.start_transaction()
        yield session


class TestASession:
    def test_stores_the_job_when_it_commits(self, app, session, recorder):
        remember_one.options(session=session).delay("committed")

        session.commit_transaction()

        assert work_off() == (1, 0)
        assert recorder.facts("remembered") == ["committed"]

    def test_stores_no_job_when_it_aborts(self, app, session):
        remember_one.options(session=session).delay("aborted")

        session.abort_transaction()

        assert app.reader.find() == []

    def test_shows_the_job_to_nobody_before_it_commits(self, app, session):
        job = remember_one.options(session=session).delay("not yet")

        assert app.get(job.id) is None
        assert work_off() == (0, 0)

    def test_takes_several_jobs_at_once(self, app, session):
        remember_one.options(session=session).delay_many([(1,), (2,)])
        before = app.reader.find()

        session.commit_transaction()

        assert before == []
        assert len(app.reader.find()) == 2

    def test_takes_job_objects_and_methods(self, app, session):
        band = Band(name="X").save()

        enqueue(Newsletter(), session=session)
        band.delay(session=session).play()
        session.abort_transaction()

        assert app.reader.find() == []

    def test_takes_a_job_id_twice(self, app, session):
        remember_one.options(session=session, job_id="a").delay("first")
        remember_one.options(session=session, job_id="a").delay("second")

        session.commit_transaction()

        assert app.get("a").handler["args"] == ["first"]

    def test_of_another_client_is_refused(self, app, client):
        with client.start_session() as foreign, pytest.raises(OptionError, match="belongs to a different client"):
            remember_one.options(session=foreign).delay(1)

    def test_must_be_one(self, app):
        with pytest.raises(OptionError, match="session must be a PyMongo ClientSession"):
            remember_one.options(session="a session")

    def test_without_a_transaction_stores_the_job_at_once(self, app, connection):
        with connection.start_session() as idle:
            job = remember_one.options(session=idle).delay(1)

        assert app.get(job.id) is not None


@needs_bound_sessions
class TestABoundSession:
    def test_stores_the_job_when_it_commits(self, app, session):
        with session.bind(end_session=False):
            job = remember_one.delay("committed")
        before = app.get(job.id)

        session.commit_transaction()

        assert before is None
        assert app.get(job.id) is not None

    def test_stores_no_job_when_it_aborts(self, app, session):
        with session.bind(end_session=False):
            remember_one.delay("aborted")

        session.abort_transaction()

        assert app.reader.find() == []

    def test_of_another_client_is_refused(self, app, client):
        with (
            client.start_session() as foreign,
            foreign.bind(end_session=False),
            pytest.raises(OptionError, match="belongs to a different client"),
        ):
            remember_one.delay(1)
