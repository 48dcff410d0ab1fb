"""A small sharded cluster: a router, two shards and their config server, each of the latter a replica set of one."""

from pathlib import Path

from bson import MinKey

from tests.support.mongod import binaries
from tests.support.mongod.deployment import OPTIONS, Deployment, initiate, start_all
from tests.support.mongod.node import Node, Router

SHARDS = ("shard0", "shard1")
_CONFIG = "config"


class ShardedCluster(Deployment):
    """A sharded cluster whose `uri` is its router's; new databases live on either shard."""

    @property
    def router(self) -> Router:
        """The process that clients talk to."""
        [router] = [node for node in self.nodes if isinstance(node, Router)]
        return router

    def spread(self, database: str, collection: str, *queues: str) -> None:
        """Shard *collection* by queue, and put each of the two *queues* on its own shard."""
        namespace = f"{database}.{collection}"
        with self.router.client() as client:
            jobs = client[database][collection]
            jobs.create_index([("queue", 1), ("_id", 1)])
            client.admin.command("shardCollection", namespace, key={"queue": 1, "_id": 1})
            for queue in queues:
                client.admin.command("split", namespace, middle={"queue": queue, "_id": MinKey()})
            for queue, shard in zip(queues, SHARDS, strict=True):
                client.admin.command("moveChunk", namespace, find={"queue": queue, "_id": MinKey()}, to=shard)

    def _own_uri(self) -> str:
        return f"mongodb://{self.router.address}/"

    def _start_nodes(self, folder: Path) -> None:
        binary, small = binaries.find(), (*OPTIONS, "--wiredTigerCacheSizeGB", "0.25")
        members = {
            name: Node(binary, folder / name, (*small, role, "--replSet", name), self._launcher)
            for name, role in [(_CONFIG, "--configsvr"), *((name, "--shardsvr") for name in SHARDS)]
        }
        config = ("--configdb", f"{_CONFIG}/{members[_CONFIG].address}")
        router = Router(binaries.find("mongos"), folder / "router", (*OPTIONS, *config), self._launcher)
        self.nodes = (*members.values(), router)
        start_all(list(members.values()))
        for name, node in members.items():
            initiate(name, [node])
        start_all([router])
        with router.client() as client:
            for name in SHARDS:
                client.admin.command("addShard", f"{name}/{members[name].address}")
