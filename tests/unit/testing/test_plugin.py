"""The pytest plugin, as it works in the test suites of apps."""

import subprocess
import sys

import pytest

import mongojobs
from mongojobs.testing.plugin import is_for_tests

pytest_plugins = ["pytester"]

IMPORTS = """
import pytest
from mongojobs.testing import assert_enqueued, drain, enqueued_jobs, mode
from tests.support.sample_jobs import recorder, remember_one
"""
MOCK_CONNECTION = """
import mongoengine, mongomock, pytest

@pytest.fixture
def connection():
    yield mongoengine.connect("shop", mongo_client_class=mongomock.MongoClient, uuidRepresentation="standard")
    mongoengine.disconnect_all()

@pytest.fixture
def mongojobs_app(connection):
    return None
"""


@pytest.fixture
def suite(pytester):
    """Runs tests in a separate pytest, and returns the result."""

    def run(tests, conftest=""):
        pytester.makeconftest(conftest)
        pytester.makepyfile(IMPORTS + tests)
        return pytester.runpytest_inprocess("-p", "no:hypothesispytest", "--strict-markers", "-Werror")

    return run


class TestFixtures:
    def test_fake_keeps_jobs_in_memory(self, suite, recorder):
        result = suite("""
def test_it(mongojobs_fake):
    job = remember_one.delay(1)
    assert enqueued_jobs() == [job] == [mongojobs_fake.get(job.id)]
""")

        result.assert_outcomes(passed=1)
        assert recorder.deeds == []

    def test_fake_starts_over_for_each_test(self, suite):
        result = suite("""
@pytest.mark.parametrize("number", [1, 2])
def test_it(mongojobs_fake, number):
    remember_one.delay(number)
    assert len(enqueued_jobs()) == 1
""")

        result.assert_outcomes(passed=2)

    def test_inline_runs_jobs_at_once(self, suite, recorder):
        result = suite("""
def test_it(mongojobs_inline):
    remember_one.delay(1)
    assert recorder.facts("remembered") == [1]
""")

        result.assert_outcomes(passed=1)

    def test_queue_stores_jobs(self, suite):
        result = suite(
            """
def test_it(mongojobs_queue, connection):
    remember_one.delay(1)
    assert connection.shop.delayed_jobs.count_documents({}) == 1
    assert drain() == (1, 0)
""",
            MOCK_CONNECTION,
        )

        result.assert_outcomes(passed=1)

    def test_queue_clears_the_jobs_before_and_after_and_nothing_else(self, suite):
        result = suite(
            """
@pytest.fixture
def existing(connection):
    connection.shop.delayed_jobs.insert_one({"left": "over"})
    connection.shop.customers.insert_one({"name": "Ann"})
    yield connection.shop
    assert connection.shop.delayed_jobs.count_documents({}) == 0
    assert connection.shop.customers.count_documents({}) == 1

def test_it(existing, mongojobs_queue):
    assert existing.delayed_jobs.count_documents({}) == 0
    remember_one.delay(1)
""",
            MOCK_CONNECTION,
        )

        result.assert_outcomes(passed=1)

    def test_use_the_app_that_a_fixture_names(self, suite):
        result = suite(
            """
def test_it(mongojobs_fake):
    assert remember_one.delay(1).queue == "of the app"
""",
            """
import mongojobs, pytest

@pytest.fixture
def mongojobs_app():
    return mongojobs.MongoJobs(mongojobs.Settings(default_queue_name="of the app"))
""",
        )

        result.assert_outcomes(passed=1)

    def test_leave_all_as_it_was_after_a_failing_test(self, suite):
        result = suite("""
def test_that_fails(mongojobs_fake):
    remember_one.delay(1)
    raise AssertionError

def test_after_it():
    from mongojobs import ConnectionMissingError
    with pytest.raises(ConnectionMissingError):
        enqueued_jobs()
""")

        result.assert_outcomes(passed=1, failed=1)


class TestMarker:
    def test_puts_a_mode_in_force(self, suite, recorder):
        result = suite("""
@pytest.mark.mongojobs(mode="inline")
def test_it():
    remember_one.delay(1)
    assert recorder.facts("remembered") == [1]
""")

        result.assert_outcomes(passed=1)

    def test_means_fake_when_it_names_no_mode(self, suite):
        result = suite("""
@pytest.mark.mongojobs
def test_it():
    remember_one.delay(1)
    assert_enqueued(remember_one)
""")

        result.assert_outcomes(passed=1)

    def test_may_be_on_a_class_and_overruled_by_a_test(self, suite, recorder):
        result = suite("""
@pytest.mark.mongojobs("fake")
class TestShop:
    def test_of_the_class(self):
        remember_one.delay("fake")

    @pytest.mark.mongojobs("inline")
    def test_of_its_own(self):
        remember_one.delay("inline")
""")

        result.assert_outcomes(passed=2)
        assert recorder.facts("remembered") == ["inline"]

    def test_real_clears_the_queue(self, suite):
        result = suite(
            """
@pytest.mark.mongojobs(mode="real")
@pytest.mark.parametrize("number", [1, 2])
def test_it(number):
    remember_one.delay(number)
    assert len(enqueued_jobs()) == 1
""",
            MOCK_CONNECTION,
        )

        result.assert_outcomes(passed=2)

    def test_works_on_unittest(self, suite):
        result = suite("""
import unittest

@pytest.mark.mongojobs(mode="fake")
class TestShop(unittest.TestCase):
    def test_it(self):
        remember_one.delay(1)
        assert_enqueued(remember_one)
""")

        result.assert_outcomes(passed=1)

    def test_refuses_an_unknown_mode(self, suite):
        result = suite("""
@pytest.mark.mongojobs(mode="imaginary")
def test_it():
    pass
""")

        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["*mongojobs takes mode='fake' or 'inline' or 'real', got 'imaginary'*"])

    def test_is_explained(self, pytester):
        result = pytester.runpytest_inprocess("--markers")

        result.stdout.fnmatch_lines(["@pytest.mark.mongojobs(mode): run the test with mongojobs in the mode*"])


@pytest.fixture
def production():
    """The default app, in a database whose name does not suggest tests; nothing listens there."""
    app = mongojobs.configure(uri="mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=10")
    yield app
    app.close()


class TestProductionIsSafe:
    def test_from_the_queue_fixture(self, suite, production):
        result = suite("def test_it(mongojobs_queue): pass")

        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["*mongojobs_queue would delete all jobs in shop.delayed_jobs*such as shop_test*"])

    @pytest.mark.parametrize(
        "name",
        ["test", "shop_test", "test_shop", "shop-test-gw0", "shopTest", "TEST_SHOP", "testdb", "testing", "tests2"],
    )
    def test_by_the_name_of_the_database(self, name):
        assert is_for_tests(name)

    @pytest.mark.parametrize("name", ["shop", "contest", "latest", "attestations", "testimonials", "shop_latest"])
    def test_from_words_that_only_look_alike(self, name):
        assert not is_for_tests(name)


def test_a_run_without_our_fixtures_imports_nothing_heavy(tmp_path):
    (tmp_path / "test_plain.py").write_text("""
import sys

def test_nothing_heavy_is_imported():
    assert "mongojobs.testing.plugin" in sys.modules
    heavy = {"pymongo", "bson", "mongoengine", "mongojobs.testing.modes", "mongojobs.app"}
    assert not heavy & sys.modules.keys()
""")

    command = [sys.executable, "-m", "pytest", "-q", "-Werror", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout
