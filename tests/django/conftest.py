"""Django, started once in this process, and the default app as its settings make it, in the database of the test."""

from collections.abc import Iterator

import pytest
from pymongo import MongoClient

import mongojobs
from mongojobs import MongoJobs
from tests.support.django_start import start_django


@pytest.fixture(scope="session")
def django_started() -> None:
    start_django()


@pytest.fixture
def site(django_started: None, connection: MongoClient, indexes: None) -> Iterator[MongoJobs]:
    """The default app of the project."""
    from django.apps import apps

    apps.get_app_config("mongojobs").ready()
    app = mongojobs.default_app()
    yield app
    mongojobs.default_app().close()
    mongojobs.configure()
