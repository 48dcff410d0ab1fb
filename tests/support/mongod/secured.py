"""A replica set of one with authentication on, for tests of roles."""

import base64
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pymongo import MongoClient

from tests.support.mongod import binaries
from tests.support.mongod.errors import MongodError
from tests.support.mongod.node import Node
from tests.support.mongod.processes import MortalLauncher, Sweeper

SET_NAME = "secured"
ADMINISTRATOR = "administrator"
PASSWORD = "c4n4ry/p@ss:word"
"""Of every user; it must be written as quoted in a URI, and shows wherever a URI is printed."""

_ELECTION_SECONDS = 60


class Secured:
    """A server with authentication on; the `administrator` makes its roles and users."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.administrator: MongoClient[dict[str, Any]] = MongoClient(self.uri(ADMINISTRATOR, "admin"))

    def uri(self, user: str, database: str, *, source: str = "admin", password: str = PASSWORD) -> str:
        """Return the address for *user*, who is known in the database *source*."""
        credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return (
            f"mongodb://{credentials}@{self._node.address}/{database}"
            f"?replicaSet={SET_NAME}&authSource={source}&serverSelectionTimeoutMS=5000"
        )

    def create_role(self, database: str, role: Mapping[str, Any]) -> None:
        """Do what ``db.createRole(role)`` does in the shell."""
        rest = {name: value for name, value in role.items() if name != "role"}
        self.administrator[database].command("createRole", role["role"], **rest)

    def create_user(self, database: str, user: str, *roles: str) -> None:
        """Do what ``db.createUser`` does in the shell."""
        self.administrator[database].command("createUser", user, pwd=PASSWORD, roles=list(roles))


@contextmanager
def secured_server() -> Iterator[Secured]:
    """Start the server, and leave nothing of it behind."""
    folder = Path(tempfile.mkdtemp(prefix="mongojobs-mongod-"))
    launcher, sweeper = MortalLauncher(), Sweeper(folder)
    options = ["--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet", "--replSet", SET_NAME]
    options += ["--keyFile", str(_key_file(folder)), "--wiredTigerCacheSizeGB", "0.25"]
    node = Node(binaries.find(), folder / "node0", options, launcher)
    try:
        node.start()
        node.wait()
        _open(node)
        server = Secured(node)
        yield server
        server.administrator.close()
    finally:
        node.kill()
        launcher.close()
        sweeper.sweep()


def _open(node: Node) -> None:
    """Make the set and its first user, which the server allows to a local client without a name."""
    with node.client() as client:
        members = [{"_id": 0, "host": node.address}]
        client.admin.command("replSetInitiate", {"_id": SET_NAME, "members": members})
        deadline = time.monotonic() + _ELECTION_SECONDS
        while not client.admin.command("hello").get("isWritablePrimary"):
            if time.monotonic() > deadline:
                raise MongodError(f"No node was elected within {_ELECTION_SECONDS} s.")
            time.sleep(0.05)
        client.admin.command("createUser", ADMINISTRATOR, pwd=PASSWORD, roles=["root"])


def _key_file(folder: Path) -> Path:
    path = folder / "key"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(96)).decode())
    return path
