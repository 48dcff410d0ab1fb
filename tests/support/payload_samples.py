"""Jobs and values of every kind that a payload can hold."""

import enum
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import attrs
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel

from mongojobs.core.errors import UnknownJobError
from mongojobs.payload.registry import Declaration, Registry, full_name
from mongojobs.payload.values.codec import Codec
from mongojobs.payload.values.decode import Loaded

if TYPE_CHECKING:
    from tests.support.documents import Group


class NoReferences:
    """Where there are no documents: every document is an unknown value."""

    def encoder(self, cls: type) -> None:
        return None

    def class_name(self, cls: type) -> None:
        return None

    def find_class(self, name: object) -> None:
        return None

    def classes(self) -> dict[str, type]:
        return {}

    def decode(self, tag: str, content: object, inner: object, loaded: Loaded) -> object:
        raise UnknownJobError(f"a stored {tag} cannot be loaded: this app has no documents")


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    CRIMSON = 1  # noqa: PIE796 - an alias, on purpose


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mood(enum.StrEnum):
    CALM = "calm"


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Bits(enum.IntFlag):
    ONE = 1


class Pair(NamedTuple):
    left: Any
    right: Any = "default"


@dataclass
class Point:
    x: Any
    y: Any = 0
    labels: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Frozen:
    color: Color
    inside: Point | None = None

    def __post_init__(self) -> None:
        if self.color is Color.GREEN:
            raise AssertionError("the constructor must not run again")


class Plain:
    """Stored by its attributes."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def __eq__(self, other: object) -> bool:
        return type(other) is Plain and vars(other) == vars(self)

    def __hash__(self) -> int:
        return 0

    def shout(self, word: str) -> str:
        return word.upper()


@attrs.define
class Attrs:
    x: Any
    _hidden: Any = 0
    labels: list[str] = attrs.field(factory=list)

    @cached_property
    def size(self) -> int:
        return len(self.labels)


@attrs.frozen(cache_hash=True)
class FrozenAttrs:
    x: int

    def __attrs_post_init__(self) -> None:
        if self.x < 0:
            raise AssertionError("the constructor must not run again")


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")

    x: Any
    labels: set[str] = Field(default_factory=set)
    _seen: int = PrivateAttr(default=0)

    @cached_property
    def size(self) -> int:
        return len(self.labels)


class FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True)

    inside: list[Model]
    point: Point | None = None


class Names(RootModel[list[str]]):
    pass


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    inside: T


class IntBox(Box[int]):
    pass


class Unregistered:
    pass


@attrs.define
class HintedAttrs:
    inside: "HintedModel | None" = None


class HintedModel(BaseModel):
    x: int = 0


class OnlyHinted(enum.Enum):
    YES = "y"


class HintedInside(enum.Enum):
    DEEP = "d"


@dataclass
class HintedRecord:
    inside: "HintedInside | None" = None


def send_receipt(order_id: int, *extra: Any, copies: int = 1, **options: Any) -> tuple[Any, ...]:
    return (order_id, extra, copies, options)


def decide(answer: "OnlyHinted", records: list[HintedRecord], group: "Group | None" = None) -> OnlyHinted:
    return answer


def inspect_parcel(parcel: HintedAttrs) -> HintedAttrs:
    return parcel


def renamed(text: str) -> str:
    return text


async def fetch(url: str) -> str:
    return f"fetched {url}"


class Namespace:
    """A namespace, for a job class that is nested in it."""

    @dataclass
    class Nested:
        text: str

        def perform(self) -> str:
            return f"nested {self.text}"


@dataclass
class Newsletter:
    text: str
    to: Any = None

    def perform(self) -> str:
        return f"sent {self.text}"


@dataclass
class Named(Newsletter):
    def display_name(self) -> str:
        return f"newsletter {self.text}"


@dataclass
class NamedByAttribute(Newsletter):
    display_name: Any = "a fixed name"


class PlainJob:
    """A job object that is no dataclass."""

    def __init__(self, text: str) -> None:
        self.text = text

    def perform(self) -> str:
        return f"plain {self.text}"


class AsyncJob:
    async def perform(self) -> str:
        return "awaited"


VALUE_CLASSES = (
    *(Color, Level, Mood, Access, Bits, Pair, Point, Frozen, Plain),
    *(Attrs, FrozenAttrs, Model, FrozenModel, Names, IntBox),
)
JOB_CLASSES = (Namespace.Nested, Newsletter, Named, NamedByAttribute, PlainJob, AsyncJob)


def declared(target: Any, **more: Any) -> Declaration:
    """Declare *target*, as the decorator does."""
    kind = "object" if isinstance(target, type) else "function"
    return Declaration(**{"name": full_name(target), "target": target, "kind": kind, **more})


def sample_registry() -> Registry:
    """Make a registry that knows the jobs and values of this module."""
    registry = Registry()
    for cls in VALUE_CLASSES:
        registry.add_class(cls)
    for target in (send_receipt, decide, inspect_parcel, fetch, *JOB_CLASSES):
        registry.add(declared(target))
    registry.add(declared(renamed, aliases=("app.old_name",)))
    return registry


def sample_codec() -> Codec:
    """Make a codec without documents."""
    return Codec(sample_registry(), NoReferences())
