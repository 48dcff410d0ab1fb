"""A database for each test; those with all indexes are lent again, as making these costs more than most tests do."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from pymongo import MongoClient

from mongojobs.core.settings import Settings
from mongojobs.store.indexes import create_indexes

Catalog = Mapping[str, Mapping[str, object]]
"""What the server says of each collection and its indexes, by its name."""


class Databases:
    """Lends databases on the server of *administrator*, each to one test at a time."""

    def __init__(self, administrator: MongoClient[dict[str, Any]]) -> None:
        self._administrator = administrator
        self._spare: dict[str, Catalog] = {}

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Lend one without collections during the block, and drop it afterwards."""
        name = _new_name()
        yield name
        self._administrator.drop_database(name)

    @contextmanager
    def indexed(self) -> Iterator[str]:
        """Lend one with all indexes and no documents during the block."""
        name, made = self._lent_before() or self._made()
        yield name
        self._spare[name] = made

    def drop(self) -> None:
        """Leave nothing behind."""
        while self._spare:
            self._administrator.drop_database(self._spare.popitem()[0])

    def _made(self) -> tuple[str, Catalog]:
        name = _new_name()
        create_indexes(self._administrator[name][Settings().collection])
        return name, self._catalog(name)

    def _lent_before(self) -> tuple[str, Catalog] | None:
        """Return one that is as it was made, emptied just now: not even what came late from its last test is in it."""
        while self._spare:
            name, made = self._spare.popitem()
            found = self._catalog(name)
            if all(found.get(collection) == made[collection] for collection in made):
                self._empty(name, made.keys(), found.keys() - made.keys())
                return name, made
            self._administrator.drop_database(name)
        return None

    def _empty(self, name: str, made: Iterable[str], added: Iterable[str]) -> None:
        database = self._administrator[name]
        for collection in added:
            database.drop_collection(collection)
        for collection in made:
            database[collection].delete_many({})
        database.command("planCacheClear", Settings().collection)

    def _catalog(self, name: str) -> Catalog:
        found = self._administrator.admin.aggregate([{"$listCatalog": {}}, {"$match": {"db": name}}])
        return {one["name"]: one for one in found}


def _new_name() -> str:
    return f"mongojobs_test_{uuid4().hex[:12]}"
