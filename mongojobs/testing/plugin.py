"""What a pytest run gets from mongojobs: fixtures and a marker; imports nothing heavy until one is used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from mongojobs.app import MongoJobs
    from mongojobs.testing.modes import Mode

_FIXTURES: Final = {"fake": "mongojobs_fake", "inline": "mongojobs_inline", "real": "mongojobs_queue"}
_TEST_WORD: Final = re.compile(r"(?<![a-z])test(s|ing|db)?(?![a-z])")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers", "mongojobs(mode): run the test with mongojobs in the mode fake (default), inline or real"
    )


@pytest.fixture
def mongojobs_app() -> MongoJobs | None:
    """The app whose jobs the other fixtures handle; None means the default app.

    Override it to name another one, or to have your fixture of the connection made before.
    """
    return None


@pytest.fixture
def mongojobs_fake(mongojobs_app: MongoJobs | None) -> Iterator[Mode]:
    """Keep the jobs of the test in memory."""
    from mongojobs.testing.modes import mode

    with mode("fake", app=mongojobs_app) as entered:
        yield entered


@pytest.fixture
def mongojobs_inline(mongojobs_app: MongoJobs | None) -> Iterator[Mode]:
    """Run the test's jobs as they are enqueued."""
    from mongojobs.testing.modes import mode

    with mode("inline", app=mongojobs_app) as entered:
        yield entered


@pytest.fixture
def mongojobs_queue(mongojobs_app: MongoJobs | None) -> Iterator[Mode]:
    """Store the jobs of the test in the app's collection, which is emptied before and after.

    Raises ConfigurationError, and deletes nothing, unless the database is mongomock's or its name has the word
    ``test`` in it, as in ``shop_test``.
    """
    from mongojobs.testing.modes import mode

    with mode("real", app=mongojobs_app) as entered:
        refuse_production(entered.app)
        jobs = entered.app.store.collection
        jobs.delete_many({})
        yield entered
        jobs.delete_many({})


@pytest.fixture(autouse=True)
def _mongojobs_marked(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("mongojobs")
    if marker is None:
        return
    name = marker.kwargs.get("mode", marker.args[0] if marker.args else "fake")
    if name not in _FIXTURES:
        raise pytest.UsageError(f"@pytest.mark.mongojobs takes mode={' or '.join(map(repr, _FIXTURES))}, got {name!r}")
    request.getfixturevalue(_FIXTURES[name])


def refuse_production(app: MongoJobs) -> None:
    """Raise ConfigurationError unless something shows that the jobs of *app* belong to a test."""
    from mongojobs.core.errors import ConfigurationError
    from mongojobs.store.clients import is_real

    collection = app.store.collection
    if not is_real(collection.database.client) or is_for_tests(collection.database.name):
        return
    raise ConfigurationError(
        f"mongojobs_queue would delete all jobs in {collection.full_name}, and nothing shows that they are a test's:"
        f" connect to a database with the word test in its name, such as {collection.database.name}_test"
    )


def is_for_tests(database: str) -> bool:
    """Whether ``test`` is a word of the name: ``shop_test`` and ``testDB2``, but not ``contest`` or ``latest``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", database).lower()
    return _TEST_WORD.search(words) is not None
