"""Making a real server fail as told, and count on nothing else to fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient

WRITE_CONCERN_ERROR = {"code": 64, "errmsg": "waiting for replication timed out"}
"""Given as ``writeConcernError`` the command is carried out, and answered with this error all the same."""


@contextmanager
def failing(
    administrator: MongoClient[Any], *commands: str, times: int = 1, appname: str | None = None, **how: Any
) -> Iterator[None]:
    """Let the next *commands* fail: ``closeConnection=True``, ``errorCode=...`` or ``writeConcernError={...}``.

    Needs a server with test commands, as `scripts/mongod` starts it.
    """
    data = {"failCommands": list(commands), **how}
    if appname is not None:
        data["appName"] = appname
    administrator.admin.command({"configureFailPoint": "failCommand", "mode": {"times": times}, "data": data})
    try:
        yield
    finally:
        administrator.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
