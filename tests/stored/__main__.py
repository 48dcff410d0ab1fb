"""``python -m tests.stored 0.2`` writes ``tests/stored/0.2.json``: what a version stores, on a server of its own."""

import sys

from tests.stored.writing import FOLDER, dump_on, write
from tests.support.mongod import Server

with Server(replica_set=1, quick=True) as server:
    write(FOLDER / f"{sys.argv[1]}.json", dump_on(server.uri))
