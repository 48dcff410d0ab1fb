"""The app whose jobs are kept, version after version.

Nothing here may be renamed, taken away, or made to take other arguments: the jobs that earlier versions stored call it.
What is new goes beside what is there.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PosixPath, PurePosixPath, PureWindowsPath
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import attrs
import bson
import pydantic
from mongoengine import (
    Document,
    EmbeddedDocument,
    EmbeddedDocumentField,
    IntField,
    LazyReferenceField,
    ReferenceField,
    StringField,
)

from mongojobs import Delayable, Discard, Snooze, current_job, handle_asynchronously, job, register, register_reference

noted: list[tuple[str, Any]] = []
"""What jobs did: the case that each was stored for, and what it had."""
meanwhile: Callable[[], object] = bool
"""What is done while a job runs; nothing, but where its document is to be kept as it is then."""


def note(case: str, value: object = None) -> None:
    noted.append((case, value))


class Colour(enum.Enum):
    RED = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    left: int
    right: str


@dataclass(frozen=True)
class Point:
    x: int
    inner: Any = None


@register
class Plain:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def __eq__(self, other: object) -> bool:
        return type(other) is Plain and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]  # it is compared, and no key of anything


@attrs.define
class Label:
    text: str
    _copies: int = 1


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    number: int
    points: list[Point] = []
    _seen: bool = pydantic.PrivateAttr(default=True)


@dataclass(frozen=True)
class Parcel:
    """Kept elsewhere, and found there by its label."""

    label: str


register_reference(Parcel, lambda parcel: parcel.label, lambda cls, label: cls(label))

for kind in (Colour, Right, Pair, Point, Label, Order):
    register(kind)

MOMENT = datetime(2026, 3, 29, 3, 30, 15, 123456, tzinfo=UTC)

VALUES: dict[str, Any] = {
    "text": "naïve ✓",
    "bool": True,
    "none": None,
    "integer": 7,
    "int64": 2**40,
    "bigint": 2**70,
    "float": 1.5,
    "bytes": b"\x00\xff",
    "list": [1, [2, "x"]],
    "dict": {"a": {"b": 1}, "": 2},
    "pairs": {1: "one", ("a", 2): None},
    "tuple": (1, ("x",)),
    "set": {1},
    "frozenset": frozenset({"a"}),
    "decimal": Decimal("1.10"),
    "timedelta": timedelta(days=1, microseconds=1),
    "datetime": MOMENT,
    "naive datetime": MOMENT.replace(tzinfo=None),
    "datetime with an offset": MOMENT.astimezone(timezone(timedelta(hours=2))),
    "date": date(2026, 3, 29),
    "time": time(3, 30, 15, 1),
    "uuid": UUID(int=7),
    "object id": bson.ObjectId("65f000000000000000000001"),
    "decimal128": bson.Decimal128("1.10"),
    "stored int64": bson.Int64(7),
    "binary": bson.Binary(b"x", 128),
    "regex": bson.Regex("a+", "i"),
    "timestamp": bson.Timestamp(7, 1),
    "dbref": bson.DBRef("things", 7, "elsewhere"),
    "least": bson.MinKey(),
    "most": bson.MaxKey(),
    "enum": Colour.RED,
    "flags": Right.READ | Right.WRITE,
    "class": Point,
    "dataclass": Point(1, Point(2)),
    "namedtuple": Pair(1, "r"),
    "object": Plain(a=1, b=[Colour.RED]),
    "attrs class": Label("a"),
    "model": Order(number=1, points=[Point(1)], colour=Colour.RED),
    "range": range(1, 2**70, 2),
    "path": PosixPath("/srv/a"),
    "pure path": PurePosixPath("a") / "b",
    "path of Windows": PureWindowsPath("c:/a"),
    "addresses": [IPv4Address("10.0.0.1"), IPv6Address("fe80::1%eth0")],
    "networks": [IPv4Network("10.0.0.0/8"), IPv6Network("fe80::/64")],
    "reference": Parcel("a"),
    "interfaces": [IPv4Interface("10.0.0.1/8"), IPv6Interface("fe80::1/64")],
}
"""A value of each kind that can be an argument."""


class Address(EmbeddedDocument):
    city = StringField()


class Person(Delayable, Document):
    meta = {"allow_inheritance": True, "collection": "stored_people"}

    name = StringField()
    address = EmbeddedDocumentField(Address)
    friend = LazyReferenceField("self")
    boss = ReferenceField("self")

    def greet(self, case: str, *, word: str) -> None:
        note(case, f"{word} {self.name}")

    async def greet_later(self, case: str) -> None:
        note(case, self.name)

    @handle_asynchronously(queue="people", priority=3)
    def rename(self, case: str, name: str) -> None:
        note(case, f"Person {self.name} to {name}")

    @handle_asynchronously
    @classmethod
    def recount(cls, case: str) -> None:
        note(case, f"as Person: {cls.__name__}")

    @classmethod
    def count(cls, case: str) -> None:
        note(case, cls.__name__)

    @staticmethod
    def tell(case: str, *words: str) -> None:
        note(case, words)


class Employee(Person):
    level = IntField(default=1)

    @handle_asynchronously
    @classmethod
    def recount(cls, case: str) -> None:
        note(case, f"as Employee: {cls.__name__}")

    @handle_asynchronously
    def rename(self, case: str, name: str) -> None:
        note(case, f"Employee {self.name} to {name}")


@job
def keep(case: str, value: Any = None, *more: Any, **named: Any) -> None:
    note(case, (value, more, named) if more or named else value)


@job
async def keep_later(case: str, value: Any) -> None:
    note(case, value)


@job
def meet(case: str, people: list[Person], friend: Any = None, address: Address | None = None) -> None:
    note(case, ([one.name for one in people], friend and friend.fetch().name, address and address.city))


@job(name="stored.named", queue="declared", priority=4, max_attempts=3, max_run_time="2m", sensitive=("secret",))
def keep_named(case: str, secret: str) -> None:
    note(case, secret)


@job(keep_result="30d")
def give_back(value: Any) -> Any:
    return value


@job
@dataclass
class Letter:
    case: str
    to: Point
    word: str = "hello"
    queue_name: ClassVar[str] = "letters"

    def before(self) -> None:
        note(self.case, "before")

    def perform(self) -> None:
        note(self.case, (self.to, self.word))


@job(unique="case", on_duplicate="rerun")
def climb(case: str, height: int) -> None:
    """Get on in all ways in which a job can, and be caught in the middle."""
    this = current_job()
    assert this is not None
    with this.step("rope") as step:
        if step.todo:
            step.done({"metres": height})
    for metre in this.each(range(height), name="metres"):
        if metre == 2:
            this.set_progress(metre, of=height, note="breathless")
            with this.step("rest") as rest:
                if rest.todo:
                    rest.done((metre,))
                    meanwhile()
    note(case, step.value)


@job
def go_on(case: str) -> None:
    meanwhile()
    note(case)


@job
def pay(case: str) -> None:
    this = current_job()
    assert this is not None
    with this.transaction():
        meanwhile()
    note(case)


@job(max_attempts=5)
def fail_until(case: str, attempts: int) -> None:
    this = current_job()
    assert this is not None
    if this.attempts < attempts:
        raise OSError(f"{case}: no luck")
    note(case, this.attempts)


@job(max_attempts=1)
def give_up(case: str) -> None:
    this = current_job()
    assert this is not None
    if not this.retries:
        raise OSError("no luck at all")
    note(case)


@job
def snooze_once(case: str) -> None:
    this = current_job()
    assert this is not None
    if not this.snoozes:
        raise Snooze(60)
    note(case, this.snoozes)


@job
def discard(case: str) -> None:
    raise Discard(case)


@job(unique=("case", "number"), unique_for="10d")
def once_in_ten_days(case: str, number: int) -> None:
    note(case, number)


@job(unique="case", unique_until="start")
def unique_until_start(case: str) -> None:
    note(case)


@job(unique="case", debounce="5s", max_wait="1m")
def debounced(case: str, text: str) -> None:
    note(case, text)


@job
def ticking(case: str) -> None:
    this = current_job()
    assert this is not None
    note(case, this.schedule)


WILL_NOTE: dict[str, list[Any]] = {
    **{f"value: {name}": [value] for name, value in VALUES.items()},
    "async": [1],
    "named": ["s3cret"],
    "arguments": [(1, (2,), {"key": "a", "$odd.name": 3})],
    "letter": ["before", (Point(1, Colour.RED), "hello")],
    "class method": ["Person"],
    "class method of the base": ["as Person: Employee"],
    "static method": [("a", "b")],
    "options": [None],
    "until start": [None],
    "debounced": ["last"],
    "method": ["hello Ann"],
    "async method": ["Ann"],
    "handled asynchronously": ["Employee Ann to Anna"],
    "of the base": ["Person Ann to Anna"],
    "documents": [(["Ann", "Ann"], "Olga", "Athens")],
    "failed twice": [2],
    "snoozed": [1],
    "retried": [None],
    "deferred": ["s3cret"],
    "climb": [{"metres": 4}, {"metres": 3}],
    "paid": [None],
    "by cron": ["by cron", "by cron"],
    "every": ["every", "every", "every"],
    "in season": ["in season"],
    "in words": ["before", (Point(1), "hello")],
    "of a class": ["Person", "Person"],
    "given up": [None],
}
"""What the jobs of each case note, once all that was left behind has run, an hour later."""
