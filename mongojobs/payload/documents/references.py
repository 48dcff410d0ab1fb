"""MongoEngine documents in payloads: stored as references, loaded fresh from where they came.

A reference names the class (looked up among the imported ones), the connection alias, the database, the collection
and the key. It is followed with a plain ``find_one`` on the primary: custom managers do not apply, and MongoEngine's
``switch_db`` is never used, because it switches the class for all threads of the process.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import bson
import mongoengine
from bson import DBRef
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from mongoengine import connection
from mongoengine.base import BaseDict, BaseDocument, BaseList, LazyReference
from mongoengine.base.common import _document_registry
from mongoengine.errors import MongoEngineException, ValidationError
from mongoengine.queryset.base import BaseQuerySet

from mongojobs.core.errors import (
    DamagedPayloadError,
    DeserializationError,
    DocumentGoneError,
    UndeclaredError,
)
from mongojobs.core.words.naming import public
from mongojobs.payload.documents.locations import Allowed, DeclaredLocation, Place, Switched, asking
from mongojobs.payload.registry import full_name, registry, unknown_class
from mongojobs.payload.values.decode import Loaded
from mongojobs.payload.values.encode import tagged
from mongojobs.payload.values.refused import RefusedError, reachable

Inner = Callable[[object], Any]

_INVALID = (MongoEngineException, ValidationError)
"""What MongoEngine raises; to it, ``ValidationError`` is an ``AssertionError``."""

_UNLOADABLE = (*_INVALID, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What a document that does not fit its class raises. Errors of the database are none of these."""


@public
class UnsavedChangesWarning(UserWarning):
    """A document with unsaved changes was enqueued: the worker will see what is in the database."""


class DocumentReferences:
    """Stores and loads MongoEngine documents.

    A database or collection other than the class's own is only followed if *switched_databases* or
    *switched_collections* allows it: else whoever can write a job document could have any collection loaded.

    A class's own alias is read once, early: ``with switch_db(...)`` changes it in the class itself, for all threads.
    """

    def __init__(self, switched_databases: Allowed = (), switched_collections: Allowed = ()) -> None:
        self._switched = Switched(switched_databases, switched_collections)
        self._classes: dict[str, Any] = {}
        self._homes: dict[type, DeclaredLocation] = {}
        self._look_around()

    def encoder(self, cls: type) -> Callable[[Any, Inner], object] | None:
        """Return what stores the instances of *cls*, None if the class is not one of MongoEngine's."""
        if issubclass(cls, mongoengine.Document):
            return self._store_reference
        if issubclass(cls, BaseDocument):
            return self._store_embedded
        if issubclass(cls, LazyReference):
            return self._store_lazy
        if issubclass(cls, BaseList | BaseDict):
            plain = "list" if issubclass(cls, BaseList) else "dict"
            raise RefusedError(
                f"is MongoEngine's {plain} of a field, which reports changes to its document: pass {plain}(...) of it,"
                f" or, where lists or dicts are nested in it, document.to_mongo()['field']"
            )
        if issubclass(cls, BaseQuerySet):
            raise RefusedError(
                "is a QuerySet, which is a query and not a value: pass the ids, such as list(query.scalar('id'))"
            )
        return None

    def class_name(self, cls: type) -> str | None:
        """Return ``module.qualname`` of a document class, None for any other class."""
        return full_name(cls) if issubclass(cls, BaseDocument) else None

    def classes(self) -> dict[str, type]:
        """Return the document classes imported so far, by name."""
        self._look_around()
        return dict(self._classes)

    def find_class(self, name: object) -> type | None:
        """Return the imported document class of that name; never imports anything."""
        if type(name) is not str:
            return None
        known = self._classes.get(name)
        if known is None or _document_registry.get(known._class_name) is not known:  # a module may be read again
            self._look_around()
        return self._classes.get(name)

    def decode(self, tag: str, content: Any, inner: Inner, loaded: Loaded) -> object:
        """Return the document, embedded document or LazyReference that *content* stands for.

        Raises DocumentGoneError, UndeclaredError, DamagedPayloadError, DeserializationError, and errors of the
        database as they are, since those pass.
        """
        match tag, content:
            case "document", {"class": name, "key": key, **place} if len(place) == 3:
                cls = self._class(name, mongoengine.Document)
                where = self._place_now(cls, name, Place.of(place))
                identity = (cls, where, bson.encode({"": key}))
                if identity not in loaded:
                    loaded[identity] = self._load(cls, where, inner(key))
                return loaded[identity]
            case "embedded", {"class": name, "fields": fields, **rest} if not rest:
                cls = self._class(name, mongoengine.EmbeddedDocument)
                return self._load_embedded(cls, _as_named_now(cls, name, inner(fields)))
            case "lazyref", {"class": name, "id": key, "passthrough": bool(passthrough), **rest} if not rest:
                return LazyReference(self._class(name, mongoengine.Document), inner(key), passthrough=passthrough)
            case _:
                raise DamagedPayloadError(f"a stored {tag} has other fields than it should")

    def _store_reference(self, document: Any, inner: Inner) -> object:
        cls = type(document)
        name = self._stored_name(cls)
        if cls._meta.get("abstract"):
            raise RefusedError(f"is of the abstract class {name}, which has no collection: pass one of a subclass")
        if document.pk is None or not _is_connected(document):
            raise _unsaved(cls)
        place = self._place_of(document)
        refusal = self._refusal(cls, place)
        if refusal is not None:
            raise RefusedError(refusal)
        key, changed = _object_key(document), sorted(document._get_changed_fields())
        if changed or not _is_surely_saved(document):
            changed = _still_changed(document, _query(cls, key), changed)
        _warn_of_changes(document, changed)
        return tagged("document", {"class": name, **place.as_dict(), "key": inner(key)})

    def _store_embedded(self, embedded: Any, inner: Inner) -> object:
        cls = type(embedded)
        try:
            fields = _plain(embedded.to_mongo())
        except _INVALID as error:
            raise RefusedError(f"is a {cls.__name__} that MongoEngine cannot store: {error}") from error
        foreign = self._foreign(cls, fields)
        if foreign is not None:
            raise RefusedError(f"is a {cls.__name__} {foreign}: pass the id instead")
        return tagged("embedded", {"class": self._stored_name(cls), "fields": inner(fields)})

    def _store_lazy(self, reference: Any, inner: Inner) -> object:
        content = {
            "class": self._stored_name(reference.document_type),
            "id": inner(reference.pk),
            "passthrough": bool(reference.passthrough),
        }
        return tagged("lazyref", content)

    def _place_now(self, cls: Any, name: object, place: Place) -> Place:
        """Return where to look for a document that was stored at *place*, when its class was called *name*.

        Only from a place of its class, or from one that the settings allow, was a document ever enqueued: so what is
        neither now was the place of the class under its old name, and its documents have moved on with it.
        """
        home = self._homes.get(cls)
        if name == full_name(cls) or home is None or not _is_registered(home.alias) or not self._refusal(cls, place):
            return place
        return Place(home.alias, connection.get_db(home.alias).name, home.collection)

    def _load(self, cls: Any, place: Place, key: object) -> object:
        if cls not in self._homes:
            raise DamagedPayloadError(f"a stored document is of the abstract class {cls.__name__}")
        collection = self._open(cls, place)
        try:
            found = collection.with_options(read_preference=connection.READ_PREFERENCE).find_one(_query(cls, key))
        except BSONError as error:
            raise DamagedPayloadError(f"a stored {cls.__name__} has a key that is none: {error}") from error
        except Exception as error:
            if connection._connections.get(place.alias) is not collection.database.client:  # it was disconnected since
                raise _not_connected(cls, place.alias) from error
            raise
        if found is None:
            raise DocumentGoneError(f"{cls.__name__} {_shown_id(key)} no longer exists")
        return _bound(_from_son(cls, found), collection)

    def _open(self, cls: type, place: Place) -> Any:
        """Return the collection at *place*.

        Raises DamagedPayloadError where a document of *cls* must not come from, and UndeclaredError while that cannot
        be told, or the connection is not made.
        """
        client = _client_of(place.alias)
        if client is None:
            raise _not_connected(cls, place.alias)
        refusal = self._refusal(cls, place)
        if refusal is not None:
            home = self._homes[cls].alias
            raise (
                DamagedPayloadError(f"a stored {cls.__name__} {refusal}")
                if _is_registered(home)
                else _not_connected(cls, home)
            )
        return client[place.database][place.collection]

    def _load_embedded(self, cls: Any, fields: Any) -> object:
        foreign = self._foreign(cls, fields)
        if foreign is not None:
            raise DamagedPayloadError(f"a stored {cls.__name__} {foreign}")
        return _from_son(cls, fields)

    def _refusal(self, cls: type, place: Place) -> str | None:
        """Return why documents of *cls* must not come from *place*, None if they may."""
        home = self._homes[cls]
        own_database = connection.get_db(home.alias).name if _is_registered(home.alias) else None
        return self._switched.refusal(place, home, own_database)

    def _place_of(self, document: Any) -> Place:
        """Return where *document* itself lives: ``switch_db`` and ``switch_collection`` may have moved it."""
        database = document._get_db()
        own = self._homes[type(document)].alias
        aliases = sorted(connection._connection_settings, key=lambda alias: alias != own)
        alias = next((alias for alias in aliases if connection.get_db(alias).client is database.client), None)
        if alias is None:
            raise RefusedError(
                f"is in the database {database.name!r} of a connection for which MongoEngine has no alias"
            )
        return Place(alias, database.name, document._get_collection().name)

    def _foreign(self, cls: Any, fields: object) -> str | None:
        """Return what makes an embedded document refer outside the collections of the imported classes."""
        for value in _inside(fields):
            if isinstance(value, DBRef):
                homes = {home.collection for home in list(self._homes.values())}
                if value.database is not None or value.collection not in homes:
                    return f"with a reference into {value.collection!r:.100}, which is not that of a document class"
            elif isinstance(value, dict) and "_cls" in value and value is not fields and not self._is_known(value):
                return f"with an embedded document of the unknown class {value['_cls']!r:.100}"
        if isinstance(fields, dict) and fields.get("_cls", cls._class_name) != cls._class_name:
            return f"that claims to be {fields['_cls']!r:.100}"
        return None

    def _is_known(self, fields: Mapping[str, object]) -> bool:
        return any(getattr(cls, "_class_name", None) == fields["_cls"] for cls in list(self._classes.values()))

    def _class(self, name: object, base: type) -> Any:
        cls = self.find_class(name) or registry.renamed_class(name)
        if cls is None:
            raise unknown_class(name, f"no {base.__name__} class is called {name!r:.100}")
        if not issubclass(cls, base):
            raise DamagedPayloadError(f"{name!r:.100} is no {base.__name__} class")
        return cls

    def _stored_name(self, cls: type) -> str:
        name = reachable(full_name(cls))
        if self._classes.get(name) is not cls:
            self._look_around()
        return name

    def _look_around(self) -> None:
        """Learn the document classes imported so far."""
        for cls in _subclasses(BaseDocument):
            if cls.__module__.startswith("mongoengine."):
                continue
            self._classes[full_name(cls)] = cls
            if cls not in self._homes and issubclass(cls, mongoengine.Document) and not cls._meta.get("abstract"):
                alias = cls._meta.get("db_alias", connection.DEFAULT_CONNECTION_NAME)
                self._homes[cls] = DeclaredLocation(alias, cls._meta["collection"])


def _as_named_now(cls: Any, name: object, fields: Any) -> Any:
    """Return the *fields* of an embedded document, whose class was called *name*, as those of *cls*."""
    was_renamed = name != full_name(cls) and isinstance(fields, dict) and "_cls" in fields
    return {**fields, "_cls": cls._class_name} if was_renamed else fields


def _is_registered(alias: str) -> bool:
    # MongoEngine has no public way to ask this: get_db() raises the same error when a connection cannot be made now.
    return alias in connection._connection_settings


def _unsaved(cls: type) -> RefusedError:
    return RefusedError(
        f"is a {cls.__name__} that is not in the database, so no worker could load it: save() it first", unsaved=True
    )


def _client_of(alias: str) -> Any:
    """Return the client of *alias*, None if it has none now."""
    try:
        return connection.get_db(alias).client if _is_registered(alias) else None
    except (connection.ConnectionFailure, KeyError):
        if _is_registered(alias):
            raise
        return None  # a job beside this one has disconnected it since we asked


def _not_connected(cls: type, alias: str) -> UndeclaredError:
    return UndeclaredError(
        f"a stored {cls.__name__} is of the connection {alias!r:.100}, which this worker has not made:"
        f" call mongoengine.connect(alias=...) in the module given with -A"
    )


def _is_connected(document: Any) -> bool:
    """Return whether *document*'s connection exists: without it, nothing can have been saved."""
    alias = document._meta.get("db_alias", connection.DEFAULT_CONNECTION_NAME)
    return "_get_db" in vars(document) or _is_registered(alias)


def _is_surely_saved(document: Any) -> bool:
    """Return whether the flags of *document* prove that it was loaded from the database or saved to it.

    They are wrong while its ``post_save`` is sent, after ``insert(load_bulk=False)``, when its key was assigned, and
    when ``switch_db`` or ``switch_collection`` has turned it to another place since.
    """
    is_turned = "_get_collection" in vars(document) and not isinstance(document._get_collection, _Fixed)
    return not document._created and hasattr(document, "_changed_fields") and not is_turned


def _still_changed(document: Any, query: dict[str, object], changed: list[str]) -> list[str]:
    """Return the fields in which *document* differs from the database: among *changed*, or if that is empty, all.

    MongoEngine clears its notes of changes after its signals only. Raises RefusedError where there is no such document.
    """
    collection = document._get_collection().with_options(read_preference=connection.READ_PREFERENCE)
    with asking.get().limit():
        stored = collection.find_one(query, session=_session_of(collection))
    if stored is None:
        raise _unsaved(type(document))
    try:
        options = CodecOptions(*collection.codec_options)  # mongomock's are a tuple of its own
        own = bson.decode(bson.encode(document.to_mongo(), codec_options=options), options)
        seen = {**_defaults(document, own.keys() - stored.keys()), **stored}
    except (BSONError, *_UNLOADABLE):  # what cannot be stored is not stored
        return changed
    parts = [(name, _part(own, name), _part(seen, name)) for name in changed or sorted(own)]
    return [name for name, one, other in parts if not _is_same(one, other, options)]


def _defaults(document: Any, names: Iterable[str]) -> dict[str, object]:
    """Return the values that a document stored without the fields *names* has in them once loaded."""
    fields = {field.db_field: field for field in document._fields.values() if field.db_field in names}
    given = {name: field.default() if callable(field.default) else field.default for name, field in fields.items()}
    return {name: _plain(fields[name].to_mongo(value)) for name, value in given.items() if value is not None}


def _session_of(collection: Any) -> Any:
    """Return the session of the caller's transaction if it is of this client: no other session sees its writes yet."""
    session = asking.get().session or _odm_session()
    return session if session is not None and session.client is collection.database.client else None


def _odm_session() -> Any:
    """Return the session of MongoEngine's ``run_in_transaction``, which older versions lack."""
    current = getattr(connection, "_get_session", None)
    return None if current is None else current()


def _part(document: object, path: str) -> object:
    """Return the value at *path* in *document*, None if there is none."""
    for name in path.split("."):
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document


def _is_same(own: object, stored: object, options: CodecOptions[Any]) -> bool:
    one, other = (bson.encode({"": value}, codec_options=options) for value in (own, stored))
    return own == stored or one == other  # in bytes, not-a-number is what it is


def _warn_of_changes(document: Any, changed: list[str]) -> None:
    if changed:
        warnings.warn(
            f"{type(document).__name__} {document.pk} has unsaved changes in {', '.join(changed)}:"
            f" the job will see what is in the database, so save() first",
            UnsavedChangesWarning,
            stacklevel=2,
        )


def _object_key(document: Any) -> dict[str, object]:
    """Return the filter that finds *document*, in the names and form of the database: ``_id`` and shard key."""
    cls = type(document)
    key = {"_id": _plain(cls._fields[cls._meta["id_field"]].to_mongo(document.pk))}
    for name in cls._meta.get("shard_key", ()):
        fields = cls._lookup_field(name.split("."))
        value = functools.reduce(lambda owner, field: getattr(owner, field.name), fields, document)
        if value is not None:
            key[_path(fields)] = _plain(fields[-1].to_mongo(value))
    return key


def _query(cls: Any, key: object) -> dict[str, object]:
    """Return the filter for *key* that matches each part literally, even ``{"$ne": null}``."""
    allowed = {"_id", *(_path(cls._lookup_field(name.split("."))) for name in cls._meta.get("shard_key", ()))}
    if not isinstance(key, dict) or "_id" not in key or not key.keys() <= allowed:
        raise DamagedPayloadError(f"a stored {cls.__name__} has no key")
    return {name: {"$eq": value} for name, value in key.items()}


def _path(fields: list[Any]) -> str:
    return ".".join(field.db_field for field in fields)


def _from_son(cls: Any, son: dict[str, object]) -> Any:
    try:
        return cls._from_son(son)
    except _UNLOADABLE as error:
        raise DeserializationError(f"what is stored of a {cls.__name__} does not fit the class: {error}") from error


class _Fixed:
    """The ``_get_collection`` of a document loaded from *collection*."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __call__(self) -> Any:
        return self._collection


def _bound(document: Any, collection: Any) -> Any:
    """Tie *document* to the collection it came from: ``save()`` goes there, even if its class is switched elsewhere."""
    document._get_collection = _Fixed(collection)
    document._get_db = lambda: collection.database
    document._collection = collection
    return document


def _plain(value: Any) -> Any:
    """Return the output of ``to_mongo`` with plain dicts and lists instead of MongoEngine's and BSON's own."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _inside(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _inside(item)


def _shown_id(key: object) -> str:
    return f"{key['_id']!s:.100}" if isinstance(key, dict) else "without a key"


def _subclasses(cls: Any) -> Iterator[Any]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
