"""A standalone server or a replica set, in a temporary folder."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pymongo.errors import PyMongoError

from tests.support.mongod import binaries
from tests.support.mongod.deployment import (
    OPTIONS,
    QUICK,
    Deployment,
    initiate,
    start_all,
    takes_writes,
    wait_for_primary,
    wait_until_complete,
)
from tests.support.mongod.errors import MongodError
from tests.support.mongod.node import Node

SET_NAME = "mongojobs"


class Server(Deployment):
    """A replica set of this many nodes; with 0, a standalone server."""

    def __init__(self, replica_set: int = 1, *, own: bool = False, detached: bool = False, quick: bool = False) -> None:
        super().__init__(own=own, detached=detached, quick=quick)
        self.replica_set = replica_set

    @property
    def primary(self) -> Node:
        """The node that takes writes at this moment; raises MongodError while there is none."""
        for node in self.nodes:
            if takes_writes(node):
                return node
        raise MongodError("No node takes writes at this moment.")

    def wait_for_primary(self) -> Node:
        """Wait until a node takes writes, and return it."""
        return wait_for_primary(self.nodes)

    @property
    def followers(self) -> list[Node]:
        """The nodes that do not take writes."""
        primary = self.primary
        return [node for node in self.nodes if node is not primary]

    def step_down(self) -> None:
        """Let another node be primary; it is asked again while the others may not take over yet."""
        primary = self.wait_for_primary()
        while self.wait_for_primary() is primary:
            with primary.client() as client, suppress(PyMongoError):  # it closes connections as it goes
                client.admin.command({"replSetStepDown": 3, "secondaryCatchUpPeriodSecs": 2})

    @contextmanager
    def followers_deaf(self) -> Iterator[None]:
        """Let the followers copy nothing from the primary during the block, as if their lines to it were cut."""
        followers = self.followers
        for node in followers:
            _fail(node, "stopReplProducer", "alwaysOn")
        try:
            yield
        finally:
            for node in followers:
                _fail(node, "stopReplProducer", "off")

    def wait_until_complete(self) -> None:
        """Wait until one node takes writes and all others follow it."""
        wait_until_complete(self.nodes)

    def _own_uri(self) -> str:
        addresses = ",".join(node.address for node in self.nodes)
        return f"mongodb://{addresses}/" + (f"?replicaSet={SET_NAME}" if self.replica_set else "")

    def _start_nodes(self, folder: Path) -> None:
        options = [*OPTIONS, "--wiredTigerCacheSizeGB", "0.5" if self.replica_set < 2 else "0.25"]
        if self.replica_set:
            options += ["--replSet", SET_NAME]
        if self._quick:
            options += QUICK
        binary, names = binaries.find(), [f"node{number}" for number in range(self.replica_set or 1)]
        self.nodes = tuple(Node(binary, folder / name, options, self._launcher) for name in names)
        start_all(self.nodes)
        if self.replica_set:
            initiate(SET_NAME, self.nodes)


def _fail(node: Node, what: str, mode: str) -> None:
    with node.client() as client:
        client.admin.command({"configureFailPoint": what, "mode": mode})
