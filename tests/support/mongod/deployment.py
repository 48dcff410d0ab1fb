"""MongoDB processes in a temporary folder, from their start until nothing is left of them."""

import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.support.mongod.errors import MongodError
from tests.support.mongod.node import Node
from tests.support.mongod.processes import DetachedLauncher, MortalLauncher, Sweeper

OPTIONS = (
    *("--bind_ip", "127.0.0.1"),
    "--nounixsocket",
    "--quiet",
    *("--setParameter", "enableTestCommands=1"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
)
QUICK = (
    *("--journalCommitInterval", "10"),
    *("--syncdelay", "10"),
    *("--setParameter", "minSnapshotHistoryWindowInSeconds=0"),
)
"""Whoever drops a database waits for the journal's next turn, which is 100 ms away as a rule.

The files of a dropped one stay open until a checkpoint after five minutes of history, and tests drop so many that the
server ran out of files.
"""
_ROOM_BYTES = 4 * 2**30
_ELECTION_SECONDS = 60
_QUICK_ELECTIONS = {"electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 500}


class Deployment(ABC):
    """A MongoDB for as long as the ``with`` block lasts, or until `stop`.

    Uses the server that MONGOJOBS_TEST_URI names if that is set: then there are no `nodes`, and `stop` leaves
    it alone. A test that kills nodes asks for a server of its `own`. A `detached` one outlives this process.
    A `quick` one keeps its data in memory where there is room: for tests, whose figures nobody compares.
    """

    def __init__(self, *, own: bool = False, detached: bool = False, quick: bool = False) -> None:
        self.nodes: tuple[Node, ...] = ()
        self.folder: Path | None = None
        self.given_uri = None if own else os.environ.get("MONGOJOBS_TEST_URI")
        self._detached = detached
        self._quick = quick
        self._launcher = DetachedLauncher() if detached else MortalLauncher()
        self._sweeper: Sweeper | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def uri(self) -> str:
        """The address that clients connect to; it names no database."""
        if self.given_uri:
            return self.given_uri
        if not self.nodes:
            raise MongodError("The server has not been started.")
        return self._own_uri()

    def start(self) -> Self:
        """Start all nodes and wait until they serve."""
        if self.given_uri:
            _check_that_it_answers(self.given_uri)
            return self
        self.folder = Path(tempfile.mkdtemp(prefix="mongojobs-mongod-", dir=_memory() if self._quick else None))
        if not self._detached:
            self._sweeper = Sweeper(self.folder)
        try:
            self._start_nodes(self.folder)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Kill the nodes and remove their data; it may be called twice."""
        for node in self.nodes:
            node.kill()
        self.nodes = ()
        self._launcher.close()
        if self._sweeper:
            self._sweeper.sweep()
        elif self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def _own_uri(self) -> str:
        """Return the address of what was started."""

    @abstractmethod
    def _start_nodes(self, folder: Path) -> None:
        """Make the nodes with their data in *folder*, keep them as `nodes`, start them and wait until they serve."""


def _memory() -> Path | None:
    """Return a folder that is kept in memory and has room for servers."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_BYTES
    return memory if has_room else None


def start_all(nodes: Sequence[Node]) -> None:
    """Start *nodes* in parallel, and wait until all answer."""
    for node in nodes:
        node.start()
    for node in nodes:
        node.wait()


def initiate(name: str, nodes: Sequence[Node]) -> None:
    """Make a replica set of *nodes*, which elect quickly, and wait until it is complete."""
    members = [{"_id": number, "host": node.address} for number, node in enumerate(nodes)]
    config = {"_id": name, "members": members, "settings": _QUICK_ELECTIONS}
    with nodes[0].client() as client:
        client.admin.command("replSetInitiate", config)
    wait_until_complete(nodes)


def wait_until_complete(nodes: Sequence[Node]) -> None:
    """Wait until one of *nodes* takes writes and the others follow it."""
    wait_for_primary(nodes)
    deadline = time.monotonic() + _ELECTION_SECONDS
    while not all(_has_a_role(node) for node in nodes):
        if time.monotonic() > deadline:
            raise MongodError(f"The replica set was not complete within {_ELECTION_SECONDS} s.")
        time.sleep(0.05)


def wait_for_primary(nodes: Sequence[Node]) -> Node:
    """Wait until one of *nodes* takes writes, and return it."""
    deadline = time.monotonic() + _ELECTION_SECONDS
    while time.monotonic() < deadline:
        for node in nodes:
            if takes_writes(node):
                return node
        time.sleep(0.05)
    raise MongodError(f"No node was elected within {_ELECTION_SECONDS} s.")


def takes_writes(node: Node) -> bool:
    """Whether *node* is a primary, or stands alone."""
    return bool(_hello(node).get("isWritablePrimary"))


def _has_a_role(node: Node) -> bool:
    hello = _hello(node)
    return bool(hello.get("isWritablePrimary") or hello.get("secondary"))


def _hello(node: Node) -> Mapping[str, object]:
    try:
        with node.client() as client:
            return client.admin.command("hello")
    except PyMongoError:
        return {}


def _check_that_it_answers(uri: str) -> None:
    try:
        with MongoClient[Mapping[str, object]](uri) as client:
            client.admin.command("ping")
    except PyMongoError as error:
        raise MongodError(f"The server that MONGOJOBS_TEST_URI names does not answer: {error}") from error
