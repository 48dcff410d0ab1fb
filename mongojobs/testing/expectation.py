"""What a test expects to be enqueued, and how a job differs from it."""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MethodType
from typing import Any, Final

from mongojobs.core.errors import DeserializationError, EnqueueError, NotAJobError
from mongojobs.core.job import Job, JobId
from mongojobs.enqueuing.functions import JobFunction
from mongojobs.payload.calls.handler import Payloads, object_call
from mongojobs.payload.calls.methods import method_of, original
from mongojobs.payload.documents.references import UnsavedChangesWarning
from mongojobs.payload.registry import Declaration
from mongojobs.payload.values.codec import Codec
from mongojobs.payload.values.encode import TAG
from mongojobs.testing.memory import through_bson

LONGEST_VALUE: Final = 200
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a job that is not as expected, in words."""

    field: str
    wanted: str
    got: str

    def __str__(self) -> str:
        return f"{self.field}: wanted {self.wanted}, got {self.got}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The kind of job expected, and what else is expected of it; None accepts anything."""

    target: Target
    values: Values
    args: Sequence[object] | None = None
    kwargs: Mapping[str, object] | None = None
    queue: str | None = None
    priority: int | None = None
    run_at: datetime | None = None
    delta: timedelta = timedelta(0)
    unique_key: JobId | None = None

    def __str__(self) -> str:
        wanted = [self.target.label]
        wanted += [
            f"{name}={_cut(repr(value))}"
            for name, value in (("args", self.args), ("kwargs", self.kwargs))
            if value is not None
        ]
        wanted += [
            f"{name}={value!r}"
            for name, value in (("queue", self.queue), ("priority", self.priority), ("unique_key", self.unique_key))
            if value is not None
        ]
        if self.run_at is not None:
            wanted.append(f"run_at={self.run_at.isoformat()} (give or take {self.delta.total_seconds():g} s)")
        return ", ".join(wanted)

    def differences(self, job: Job) -> list[Difference]:
        """Return every way in which *job* is not as expected."""
        return [
            *self.target.differences(job),
            *self._of_args(job.handler.get("args", [])),
            *self._of_kwargs(job.handler.get("kwargs", {})),
            *_of_option("queue", self.queue, job.queue),
            *_of_option("priority", self.priority, job.priority),
            *self._of_run_at(job.run_at),
            *self._of_key(job),
        ]

    def _of_args(self, stored: Sequence[object]) -> Iterator[Difference]:
        if self.args is None:
            return
        if len(self.args) != len(stored):
            yield Difference("args", _cut(repr(tuple(self.args))), self.values.shown_all(stored))
            return
        for place, (wanted, got) in enumerate(zip(self.args, stored, strict=True)):
            yield from self._of_value(f"args[{place}]", wanted, got)

    def _of_kwargs(self, stored: Mapping[str, object]) -> Iterator[Difference]:
        if self.kwargs is None:
            return
        if TAG in stored:  # a keyword that is no plain name
            yield from self._of_value("kwargs", dict(self.kwargs), stored)
            return
        for name in {**self.kwargs, **stored}:
            yield from self._of_value(f"kwargs[{name!r}]", self.kwargs.get(name, _ABSENT), stored.get(name, _ABSENT))

    def _of_value(self, field: str, wanted: object, got: object) -> Iterator[Difference]:
        if got is _ABSENT:
            yield Difference(field, self.values.shown_wanted(wanted), "nothing")
        elif wanted is _ABSENT:
            yield Difference(field, "nothing", self.values.shown(got))
        elif not self.values.are_equal(wanted, got):
            yield Difference(field, self.values.shown_wanted(wanted), self.values.shown(got))

    def _of_run_at(self, got: datetime) -> Iterator[Difference]:
        if self.run_at is not None and abs(got - self.run_at) > self.delta:
            yield Difference("run_at", self.run_at.isoformat(), got.isoformat())

    def _of_key(self, job: Job) -> Iterator[Difference]:
        if self.unique_key is not None and str(self.unique_key) not in (job.unique_text, job.unique_key):
            yield Difference("unique_key", repr(self.unique_key), repr(job.unique_text))


class Values:
    """Compares Python values with stored ones, and shows them."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def are_equal(self, wanted: object, stored: object) -> bool:
        """Whether *wanted* would be stored like this, or equals the loaded value; documents need no database.

        *wanted* is asked first, which lets ``mock.ANY`` equal everything.
        """
        if self.encoded(wanted) == stored:
            return True
        try:
            return bool(wanted == self._codec.decode(stored))
        except DeserializationError:
            return False

    def encoded(self, value: object) -> object:
        """Return *value* as it would be stored or, if it cannot be, a new object that equals nothing."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UnsavedChangesWarning)
                return through_bson({"value": self._codec.encode(value, "a wanted value")})["value"]
        except EnqueueError:
            return object()

    def shown(self, stored: object) -> str:
        """Return a stored value as text; documents by class and key, without loading them."""
        document = _document(stored)
        if document is not None:
            return document
        try:
            return _cut(repr(self._codec.decode(stored)))
        except DeserializationError:
            return _cut(repr(stored))

    def shown_all(self, stored: Sequence[object]) -> str:
        """Return stored arguments as text."""
        return _cut(f"({', '.join(map(self.shown, stored))}{',' if len(stored) == 1 else ''})")

    def shown_wanted(self, value: object) -> str:
        """Return an expected value as text."""
        return _document(self.encoded(value)) or _cut(repr(value))


class Target(ABC):
    """Which job is meant, apart from its arguments and options."""

    label: str

    @abstractmethod
    def differences(self, job: Job) -> Iterator[Difference]:
        """Yield what makes *job* a different one."""


class Named(Target):
    """The jobs with a name, such as ``Group#update_users``."""

    def __init__(self, name: str) -> None:
        self.label = name

    def differences(self, job: Job) -> Iterator[Difference]:
        """Compare the names."""
        if job.name != self.label:
            yield Difference("job", self.label, job.name)


class DeclaredTarget(Target):
    """The jobs of a function or class declared with ``@job``."""

    def __init__(self, declaration: Declaration, payloads: Payloads) -> None:
        self.label: str = declaration.name
        self._payloads = payloads

    def differences(self, job: Job) -> Iterator[Difference]:
        """Compare the declarations, whatever name the job is stored under."""
        found = self._payloads.peek(job.handler).declaration
        if found is None or found.name != self.label:
            yield Difference("job", self.label, job.name)


class Equal(DeclaredTarget):
    """The jobs of one job object, or of an equal one."""

    def __init__(self, job_object: object, declaration: Declaration, payloads: Payloads) -> None:
        super().__init__(declaration, payloads)
        self._job_object = job_object
        self._handler = through_bson(payloads.dump(object_call(job_object)))

    def differences(self, job: Job) -> Iterator[Difference]:
        """Compare the class, then the fields."""
        others = list(super().differences(job))
        yield from others
        if not others and not self._is_same(job):
            values = Values(self._payloads.codec)
            stored = ", ".join(f"{name}={values.shown(value)}" for name, value in job.handler["kwargs"].items())
            yield Difference("object", _cut(repr(self._job_object)), _cut(f"{job.name}({stored})"))

    def _is_same(self, job: Job) -> bool:
        if job.handler["kwargs"] == self._handler["kwargs"]:
            return True
        try:
            return bool(self._job_object == self._payloads.load(job.handler).job_object)
        except DeserializationError:
            return False


class Method(Target):
    """The calls of a method: on one object, on one class or, if it is unbound, on any."""

    def __init__(self, method: Any, payloads: Payloads) -> None:
        self._owner = getattr(method, "__self__", None)
        self._function = getattr(method, "__func__", method)
        self._codec = payloads.codec
        self.label: str = self._function.__qualname__

    def differences(self, job: Job) -> Iterator[Difference]:
        """Compare the function that would be called, then the object."""
        cls = self._class(job.handler)
        found = _body(cls, job.handler) if cls is not None else None
        if getattr(found, "__func__", found) is not self._function or not self._is_of_owner(cls):
            yield Difference("job", self.label, job.name)
        elif self._owner is not None and not isinstance(self._owner, type):
            values, stored = Values(self._codec), job.handler["target"]
            if not values.are_equal(self._owner, stored):
                yield Difference("target", values.shown_wanted(self._owner), values.shown(stored))

    def _is_of_owner(self, cls: type | None) -> bool:
        return not isinstance(self._owner, type) or cls is self._owner

    def _class(self, handler: Mapping[str, Any]) -> type | None:
        target = handler.get("target")
        content = target.get("v") if isinstance(target, dict) else None
        name = content.get("class") if isinstance(content, dict) else target
        try:
            return self._codec.find_class(name)
        except DeserializationError:
            return None


def _body(cls: type, handler: Mapping[str, Any]) -> object:
    """Return the method of *cls* that a stored call runs, None if it could no longer run."""
    with suppress(NotAJobError):
        return original(method_of(cls, str(handler.get("method")), handler.get("owner")).__get__(None, cls))
    return None


def target_of(given: object, payloads: Payloads) -> Target:
    """Return what *given* means to ``assert_enqueued``. Raises NotAJobError if it cannot be enqueued."""
    if isinstance(given, str):
        return Named(given)
    declaration = given.declaration if isinstance(given, JobFunction) else payloads.codec.registry.of(given)
    if declaration is not None:
        return DeclaredTarget(declaration, payloads)
    method = original(given)
    if isinstance(method, MethodType) or (inspect.isfunction(method) and "." in method.__qualname__):
        return Method(method, payloads)
    declaration = payloads.codec.registry.of(type(given))
    if declaration is not None and declaration.kind == "object":
        return Equal(given, declaration, payloads)
    raise NotAJobError(
        f"{given!r:.100} is no job: give a function or class declared with @job, a job object, a method such as"
        " Group.update_users or group.update_users, or the name of a job"
    )


def _of_option(field: str, wanted: object, got: object) -> Iterator[Difference]:
    if wanted is not None and wanted != got:
        yield Difference(field, repr(wanted), repr(got))


def _document(stored: object) -> str | None:
    """Return class and key of a stored reference to a document, None for anything else."""
    match stored:
        case {"__mj": "document", "v": {"class": str(name), "key": {"_id": key}}}:
            return _cut(f"{name.rpartition('.')[2]} {key}")
        case {"__mj": "reference", "v": {"class": str(name), "key": key}}:
            return _cut(f"{name.rpartition('.')[2]} {key}")
        case _:
            return None


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} ..."
