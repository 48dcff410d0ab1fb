"""MongoEngine's side: ``Delayable`` for your documents, and ``DelayedJob`` to query the jobs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NoReturn

from mongoengine import Document, QuerySet
from mongoengine.base import BaseField
from mongoengine.fields import (
    BooleanField,
    DateTimeField,
    DictField,
    DynamicField,
    IntField,
    ListField,
    StringField,
)

from mongojobs.core.errors import ReadOnlyError, RegistrationError
from mongojobs.core.fields import kind_of
from mongojobs.core.job import FIELDS
from mongojobs.core.words.naming import public
from mongojobs.enqueuing import current
from mongojobs.enqueuing.asynchronous import refuse_hidden
from mongojobs.enqueuing.proxy import AwaitedProxy, DelayAttribute, DelayProxy


@public
class Delayable:
    """Gives a class and its instances ``delay``: ``group.delay.update_users()`` stores the call as a job.

    ``await group.adelay.update_users()`` does so without blocking the event loop. Mix it in before ``Document``. Raises
    RegistrationError when the class has an attribute of its own called ``delay`` or ``adelay``, or
    ``handle_asynchronously`` below ``classmethod``.
    """

    delay: DelayAttribute = DelayAttribute(DelayProxy)
    adelay: DelayAttribute = DelayAttribute(AwaitedProxy)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("delay", "adelay"):
            attribute = inspect.getattr_static(cls, name)
            if not isinstance(attribute, DelayAttribute) or name in getattr(cls, "_fields", {}):
                raise RegistrationError(
                    f"{cls.__name__} has a field or attribute of its own called {name}, which hides Delayable's:"
                    f" leave Delayable out and write mongojobs.{name}(document).method(...)"
                )
        refuse_hidden(cls)


def _refuse(what: str, instead: str) -> Any:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise ReadOnlyError(f"DelayedJob is read-only, so {what} is refused: {instead}")

    return refuse


_ENQUEUE = "enqueue with function.delay(...) or document.delay.method(...)"
_CHANGE = "use mongojobs.default_app().retry(id), .cancel(id) or .delete(id), which respect the locks of the workers"
_DELETE = "use mongojobs.default_app().delete(id), or run mongojobs clear"


class DelayedJobs(QuerySet):
    """A query over the jobs that cannot write."""

    insert: Any = _refuse("inserting", _ENQUEUE)
    create: Any = insert
    update: Any = _refuse("updating", _CHANGE)
    update_one: Any = update
    upsert_one: Any = update
    modify: Any = update
    delete: Any = _refuse("deleting", _DELETE)


_FIELD_BY_KIND: Final[Mapping[str, Callable[..., BaseField]]] = {
    "JobId": DynamicField,
    "str": StringField,
    "State": StringField,
    "int": IntField,
    "Bytes": IntField,
    "bool": BooleanField,
    "datetime": DateTimeField,
    "timedelta": DynamicField,
    "Mapping[str, Any]": DictField,
    "Progress": DictField,
    "tuple[str, ...]": functools.partial(ListField, StringField()),
    "tuple[Mapping[str, Any], ...]": functools.partial(ListField, DictField()),
}
"""The MongoEngine field for one annotated like this in ``Job``."""

_NAMES: Final = {"meta": "meta_"}
"""The names of fields that would mean something else to MongoEngine."""

_Fields: Any = type(
    "_Fields",
    (),
    {
        _NAMES.get(field.name, field.name): _FIELD_BY_KIND[kind_of(field)](
            db_field="_id" if field.name == "id" else field.name, primary_key=field.name == "id"
        )
        for field in FIELDS
    },
)


class DelayedJob(_Fields, Document):
    """The jobs as a MongoEngine document, for queries: ``DelayedJob.objects(queue="mail", state="failed")``.

    It reads the collection of the default app, whatever its name and connection. Raises ReadOnlyError on every write.
    """

    meta: ClassVar[dict[str, Any]] = {
        "collection": "delayed_jobs",
        "auto_create_index": False,
        "strict": False,
        "queryset_class": DelayedJobs,
    }

    @classmethod
    def _get_collection(cls) -> Any:
        return current.enqueuer().collection

    save: Any = _refuse("save()", _ENQUEUE)
    update: Any = _refuse("updating", _CHANGE)
    modify: Any = update
    delete: Any = _refuse("delete()", _DELETE)
    drop_collection: Any = classmethod(_refuse("drop_collection()", _DELETE))
    create_index: Any = classmethod(_refuse("making indexes", "use mongojobs create-indexes"))
    ensure_indexes: Any = classmethod(_refuse("making indexes", "use mongojobs create-indexes"))
