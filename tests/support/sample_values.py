"""Classes of arguments and job objects that hold more than their fields say."""

import functools
from dataclasses import InitVar, dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from mongojobs import job, register
from tests.support.sample_jobs import recorder

T = TypeVar("T")


@register
@dataclass
class Order:
    """Sets an attribute that is not a field."""

    lines: list[int]

    def __post_init__(self) -> None:
        self.total = sum(self.lines)


@register
@dataclass
class Scaled:
    """Takes what only its constructor needs."""

    size: int = field(init=False)
    scale: InitVar[int] = 2

    def __post_init__(self, scale: int) -> None:
        self.size = 10 * scale


@register
@dataclass
class Leaky:
    """Keeps what only its constructor should need."""

    secret: InitVar[str] = ""

    def __post_init__(self, secret: str) -> None:
        self.kept = secret


@register
@dataclass(kw_only=True)
class Derived(Order):
    """Inherits the attribute."""

    name: str = ""


@register
@dataclass
class Simple:
    n: int = 1

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.n


class Slotted:
    """A base with a slot that is not a field."""

    __slots__ = ("note",)
    note: str


@register
@dataclass(slots=True)
class WithSlots(Slotted):
    n: int = 1


@register
class Undecorated(Simple):
    """A subclass of a dataclass that is not one itself, though Python treats it as one."""

    def __init__(self, n: int, extra: int) -> None:
        super().__init__(n)
        self.extra = extra


@register
@dataclass
class Box(Generic[T]):
    content: Any = None


class _Place(NamedTuple):
    x: int


@register
class Place(_Place):
    """A named tuple whose instances take further attributes."""


@job
@dataclass
class Report:
    """A job object that computes something when it is made."""

    lines: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.total = sum(self.lines)

    def perform(self) -> None:
        recorder.note("reported", self.total)


@job
@dataclass
class WholeReport:
    """The same with a field for it."""

    lines: list[int] = field(default_factory=list)
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = sum(self.lines)

    def perform(self) -> None:
        recorder.note("reported", self.total)
