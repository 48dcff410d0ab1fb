"""MongoEngine's side: ``Delayable`` for your documents, and ``DelayedJob`` to query the jobs."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, NoReturn

from mongoengine import Document, QuerySet
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
from mongojobs.core.words.naming import public
from mongojobs.enqueuing import current
from mongojobs.enqueuing.asynchronous import refuse_hidden
from mongojobs.enqueuing.proxy import DelayAttribute


@public
class Delayable:
    """Gives a class and its instances ``delay``: ``group.delay.update_users()`` stores the call as a job.

    Mix it in before ``Document``. Raises RegistrationError when the class has an attribute of its own called ``delay``,
    or ``handle_asynchronously`` below ``classmethod``.
    """

    delay = DelayAttribute()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        attribute = inspect.getattr_static(cls, "delay")
        if not isinstance(attribute, DelayAttribute) or "delay" in getattr(cls, "_fields", {}):
            raise RegistrationError(
                f"{cls.__name__} has a field or attribute of its own called delay, which hides Delayable's:"
                f" leave Delayable out and write mongojobs.delay(document).method(...)"
            )
        refuse_hidden(cls)


def _refuse(what: str, instead: str) -> Any:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise ReadOnlyError(f"DelayedJob is for reading, so {what} is refused: {instead}")

    return refuse


_ENQUEUE = "enqueue with function.delay(...) or document.delay.method(...)"
_CHANGE = "use mongojobs.default_app().retry(id), .cancel(id) or .delete(id), which respect the locks of the workers"
_DELETE = "use mongojobs.default_app().delete(id), or the command mongojobs clear"


class DelayedJobs(QuerySet):
    """A query over the jobs, which cannot write."""

    insert = create = _refuse("inserting", _ENQUEUE)
    update = update_one = upsert_one = modify = _refuse("updating", _CHANGE)
    delete = _refuse("deleting", _DELETE)


class DelayedJob(Document):
    """The jobs as a MongoEngine document, for queries: ``DelayedJob.objects(queue="mail", state="failed")``.

    It reads the collection of the default app, whatever its name and connection. Raises ReadOnlyError on every write.
    """

    meta: ClassVar[dict[str, Any]] = {
        "collection": "delayed_jobs",
        "auto_create_index": False,
        "strict": False,
        "queryset_class": DelayedJobs,
    }

    id = DynamicField(primary_key=True)
    name = StringField()
    queue = StringField()
    priority = IntField()
    run_at = DateTimeField()
    state = StringField()
    handler = DictField()
    attempts = IntField()
    max_attempts = IntField()
    max_run_time = DynamicField()
    locked_at = DateTimeField()
    locked_by = StringField()
    locked_until = DateTimeField()
    lock_token = StringField()
    fence = IntField()
    losses = IntField()
    releases = IntField()
    snoozes = IntField()
    deferred_since = DateTimeField()
    deferred_reason = StringField()
    created_at = DateTimeField()
    failed_at = DateTimeField()
    finished_at = DateTimeField()
    expire_at = DateTimeField()
    last_error = StringField()
    errors = ListField(DictField())
    ran_by = StringField()
    took = DynamicField()
    retries = ListField(DictField())
    tags = ListField(StringField())
    meta_ = DictField(db_field="meta")
    id_given = BooleanField()

    @classmethod
    def _get_collection(cls) -> Any:
        return current.enqueuer().collection

    save = _refuse("save()", _ENQUEUE)
    update = modify = _refuse("updating", _CHANGE)
    delete = _refuse("delete()", _DELETE)
    drop_collection: Any = classmethod(_refuse("drop_collection()", _DELETE))
    create_index: Any = classmethod(_refuse("making indexes", "use mongojobs create-indexes"))
    ensure_indexes: Any = classmethod(_refuse("making indexes", "use mongojobs create-indexes"))
