"""The site, which needs no MongoDB here: jobs stay in memory."""

import pytest
from fastapi.testclient import TestClient

from shop import jobs
from shop.main import app


@pytest.fixture
def client(mongojobs_fake: object, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A visitor of the site as it is, but for the time that roasting takes."""
    monkeypatch.setattr(jobs, "ROASTING_SECONDS", 0)
    monkeypatch.setenv("ADMIN_PASSWORD", "sesame")
    return TestClient(app, follow_redirects=False)
