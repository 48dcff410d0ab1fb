"""What a test needs of the driver's sessions."""

import pytest
from pymongo.client_session import ClientSession

needs_bound_sessions = pytest.mark.skipif(
    not hasattr(ClientSession, "bind"), reason="this PyMongo cannot bind sessions"
)
