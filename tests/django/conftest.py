"""Django, started once in this process, and the default app as its settings make it, in the database of the test."""

import os
from collections.abc import Iterator

import pytest
from pymongo import MongoClient

import mongojobs
from mongojobs import MongoJobs

SETTINGS = "tests.support.django_site.settings"


@pytest.fixture(scope="session")
def django_started() -> None:
    before = os.environ.get("DJANGO_SETTINGS_MODULE")
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    import django

    django.setup()
    if before is None:
        del os.environ["DJANGO_SETTINGS_MODULE"]
    mongojobs.configure()


@pytest.fixture
def site(django_started: None, connection: MongoClient) -> Iterator[MongoJobs]:
    """The default app of the project."""
    from django.apps import apps

    apps.get_app_config("mongojobs").ready()
    app = mongojobs.default_app()
    app.create_indexes()
    yield app
    mongojobs.default_app().close()
    mongojobs.configure()
