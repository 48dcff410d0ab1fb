"""Results in the modes of ``mongojobs.testing``."""

import pytest

from mongojobs import JobFailed, ResultNotKeptError, ResultTimeoutError, configure
from mongojobs.testing import drain, mode
from tests.support import result_jobs


@pytest.fixture(autouse=True)
def configured():
    configure(retry_jitter=0)
    yield
    configure()


class TestFake:
    def test_gives_the_result_after_drain(self):
        with mode("fake"):
            adds, fails = result_jobs.adds.delay((1,), (2,)), result_jobs.fails.delay("luck")

            drain(raises=False)

            assert adds.result() == (1, 2)
            assert adds.wait().state == "completed"
            with pytest.raises(JobFailed, match="LookupError: no luck"):
                fails.result()

    def test_refuses_to_wait_for_what_has_yet_to_be_drained(self):
        with mode("fake"), pytest.raises(ResultTimeoutError, match=r"has not ended: call drain\(\) first"):
            result_jobs.adds.delay(1, 2).result()

    def test_gives_no_result_that_is_not_kept(self):
        with mode("fake"):
            job = result_jobs.multiplies.delay(1, 2)
            drain()

            with pytest.raises(ResultNotKeptError):
                job.result()


class TestInline:
    def test_gives_the_result_at_once(self):
        with mode("inline"):
            assert result_jobs.adds.delay((1,), (2,)).result() == (1, 2)


class TestReal:
    def test_gives_the_result_after_drain(self, connection):
        with mode("real"):
            job = result_jobs.adds.delay((1,), (2,))
            drain()

            assert job.result(timeout=0) == (1, 2)
