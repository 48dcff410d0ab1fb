"""Where the jobs are kept: the server, and how large the collections are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pymongo.errors import OperationFailure

from mongojobs.store.clients import Jobs, beside, is_real, server_version, topology
from mongojobs.store.logs.reading import LOGS_SUFFIX
from mongojobs.store.pauses import QUEUES_SUFFIX
from mongojobs.store.stats.stats_store import STATS_SUFFIX
from mongojobs.store.workers import WORKERS_SUFFIX

_SUFFIXES: Final = ("", WORKERS_SUFFIX, QUEUES_SUFFIX, STATS_SUFFIX, LOGS_SUFFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSize:
    """How many documents a collection holds, and how many bytes they and its indexes take on disk."""

    name: str
    documents: int
    data_bytes: int
    index_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The *version* and kind of the server, and the collections that this user may inspect."""

    version: str
    topology: str
    collections: tuple[CollectionSize, ...]


def server(jobs: Jobs) -> Server:
    """Return the server that keeps *jobs*. Raises DatabaseError."""
    client = jobs.database.client
    sizes = [_size(beside(jobs, suffix)) for suffix in _SUFFIXES] if is_real(client) else []
    return Server(version=server_version(client), topology=topology(client), collections=tuple(filter(None, sizes)))


def _size(collection: Jobs) -> CollectionSize | None:
    """Return the size of a collection; None if it does not exist or may not be inspected."""
    try:
        found: Mapping[str, Any] = collection.database.command("collStats", collection.name, maxTimeMS=5_000)
    except OperationFailure:
        return None
    if not found.get("count") and not found.get("storageSize"):
        return None
    return CollectionSize(
        name=collection.name,
        documents=int(found.get("count", 0)),
        data_bytes=int(found.get("storageSize", 0)),
        index_bytes=int(found.get("totalIndexSize", 0)),
    )
