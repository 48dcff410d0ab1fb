"""A real MongoDB for tests and demos: found, or fetched; started in a temporary folder; gone afterwards."""

from tests.support.mongod.cluster import ShardedCluster
from tests.support.mongod.deployment import Deployment
from tests.support.mongod.errors import MongodError
from tests.support.mongod.node import Node
from tests.support.mongod.server import Server
from tests.support.mongod.uri import database_of, with_database

__all__ = ["Deployment", "MongodError", "Node", "Server", "ShardedCluster", "database_of", "with_database"]
