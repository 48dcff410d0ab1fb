"""A standalone server or a replica set, in a temporary folder."""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.support.mongod import binaries
from tests.support.mongod.errors import MongodError
from tests.support.mongod.node import Node
from tests.support.mongod.processes import DetachedLauncher, MortalLauncher, Sweeper

SET_NAME = "mongojobs"
_ELECTION_SECONDS = 60
_QUICK_ELECTIONS = {"electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 500}
_OPTIONS = (
    *("--bind_ip", "127.0.0.1"),
    "--nounixsocket",
    "--quiet",
    *("--setParameter", "enableTestCommands=1"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
)


class Server:
    """A MongoDB server for as long as the ``with`` block lasts, or until `stop`.

    Uses the server that MONGOJOBS_TEST_URI names if that is set: then there are no `nodes`, and `stop` leaves
    it alone. A test that kills nodes asks for a server of its `own`. A `detached` one outlives this process.
    """

    def __init__(self, replica_set: int = 1, *, own: bool = False, detached: bool = False) -> None:
        self.replica_set = replica_set
        self.nodes: tuple[Node, ...] = ()
        self.folder: Path | None = None
        self.given_uri = None if own else os.environ.get("MONGOJOBS_TEST_URI")
        self._detached = detached
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
        addresses = ",".join(node.address for node in self.nodes)
        return f"mongodb://{addresses}/" + (f"?replicaSet={SET_NAME}" if self.replica_set else "")

    @property
    def primary(self) -> Node:
        """The node that takes writes at this moment; raises MongodError while there is none."""
        for node in self.nodes:
            if _takes_writes(node):
                return node
        raise MongodError("No node takes writes at this moment.")

    def start(self) -> Self:
        """Start all nodes and wait until one takes writes and the others follow it."""
        if self.given_uri:
            _check_that_it_answers(self.given_uri)
            return self
        binary = binaries.find()
        self.folder = Path(tempfile.mkdtemp(prefix="mongojobs-mongod-"))
        if not self._detached:
            self._sweeper = Sweeper(self.folder)
        try:
            self.nodes = tuple(self._node(binary, f"node{number}") for number in range(self.replica_set or 1))
            self._start_nodes()
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

    def wait_for_primary(self) -> Node:
        """Wait until a node takes writes, and return it."""
        deadline = time.monotonic() + _ELECTION_SECONDS
        while time.monotonic() < deadline:
            try:
                return self.primary
            except MongodError:
                time.sleep(0.05)
        raise MongodError(f"No node was elected within {_ELECTION_SECONDS} s.")

    def _node(self, binary: binaries.Binary, name: str) -> Node:
        assert self.folder
        options = [*_OPTIONS, "--wiredTigerCacheSizeGB", "0.5" if self.replica_set < 2 else "0.25"]
        if self.replica_set:
            options += ["--replSet", SET_NAME]
        return Node(binary, self.folder / name, options, self._launcher)

    def _start_nodes(self) -> None:
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait()
        if self.replica_set:
            _initiate(self.nodes)
            self.wait_for_primary()
            self._wait_for_followers()

    def _wait_for_followers(self) -> None:
        deadline = time.monotonic() + _ELECTION_SECONDS
        while not all(_has_a_role(node) for node in self.nodes):
            if time.monotonic() > deadline:
                raise MongodError(f"The replica set was not complete within {_ELECTION_SECONDS} s.")
            time.sleep(0.05)


def _initiate(nodes: Sequence[Node]) -> None:
    members = [{"_id": number, "host": node.address} for number, node in enumerate(nodes)]
    config = {"_id": SET_NAME, "members": members, "settings": _QUICK_ELECTIONS}
    with nodes[0].client() as client:
        client.admin.command("replSetInitiate", config)


def _check_that_it_answers(uri: str) -> None:
    try:
        with MongoClient[Mapping[str, object]](uri) as client:
            client.admin.command("ping")
    except PyMongoError as error:
        raise MongodError(f"The server that MONGOJOBS_TEST_URI names does not answer: {error}") from error


def _takes_writes(node: Node) -> bool:
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
