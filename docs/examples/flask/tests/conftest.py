"""The site with an empty database of its own, and jobs that stay in memory."""

import os
from collections.abc import Iterator

import mongoengine
import pytest
from flask.testing import FlaskClient

from flask import Flask
from shop import create_app

URI = os.environ.get("TEST_MONGODB_URI", "mongodb://localhost:27017/teashop_test")


@pytest.fixture
def app(mongojobs_fake: object) -> Iterator[Flask]:
    """The site as it is, but for the time that packing takes."""
    app = create_app(MONGODB_URI=URI, PACKING_SECONDS=0, ADMIN_PASSWORD="sesame", TESTING=True)
    yield app
    connection = mongoengine.get_connection()
    connection.drop_database(mongoengine.get_db().name)
    mongoengine.disconnect()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A visitor."""
    return app.test_client()
