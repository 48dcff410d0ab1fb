"""What jobs log in the modes of ``mongojobs.testing``."""

import logging

import pytest

import mongojobs
from mongojobs.testing import drain, logged, mode, perform
from tests.support import logging_jobs


@pytest.fixture(autouse=True)
def app():
    yield mongojobs.configure(retry_jitter=0)
    mongojobs.configure()


class TestFake:
    def test_keeps_the_lines_of_each_attempt(self, app):
        with mode("fake"):
            job = logging_jobs.logs_and_fails.delay("well")

            drain(raises=False)

            assert logged(job)[0] == "well"
            assert "LookupError: no luck" in logged(job)[1]
            assert [run.attempt for run in app.log(job.id)] == [1]
            assert [*app.follow_log(job.id)] == app.log(job.id)

    def test_keeps_them_without_secrets_and_up_to_the_cap(self):
        with mode("fake"):
            secret = logging_jobs.logs_a_secret.delay("hunter-2-hunter")
            much = logging_jobs.floods.options(keep_log="4k").delay(200, 100)

            drain()

            assert logged(secret) == ["signing in with [masked]"]
            assert 10 < len(logged(much)) < 40
            assert logged(much)[-1].startswith("00000199 ")


class TestInline:
    def test_gives_them_with_the_job(self):
        with mode("inline"):
            assert logged(logging_jobs.logs.delay("one", "two")) == ["one", "two"]
            assert logged(logging_jobs.logs_a_secret.delay("hunter-2-hunter")) == ["signing in with [masked]"]
            assert logged(logging_jobs.logs_what_nobody_keeps.delay("well")) == []

    def test_passes_them_on_as_everywhere(self, caplog):
        with mode("inline"), caplog.at_level(logging.INFO, "mongojobs.job"):
            logging_jobs.logs.delay("one")

        assert "one" in caplog.messages


class TestPerform:
    def test_gives_them_with_the_job(self):
        with mode("fake"):
            job = logging_jobs.logs.delay("one")

            perform(job)

            assert logged(job) == ["one"]


class TestReal:
    def test_keeps_them_in_the_database(self, app, connection):
        with mode("real"):
            job = logging_jobs.logs.delay("one")

            drain()

            assert logged(job) == ["one"]
            assert [line.text for line in app.log(job.id)[0].lines] == ["one"]
