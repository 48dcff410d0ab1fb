"""Jobs under decorators as people write them, with ``functools.wraps``; what they did is in ``recorder``."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NewType, TypeVar

from mongoengine import Document

from mongojobs import Delayable, handle_asynchronously, job
from tests.support.sample_jobs import recorder

T = TypeVar("T")


def with_connection(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an argument in front."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function("connection", *args, **kwargs)

    return wrapper


def with_connection_for_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an argument behind ``self``."""

    @functools.wraps(function)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, "connection", *args, **kwargs)

    return wrapper


def with_retries(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take an argument away."""

    @functools.wraps(function)
    def wrapper(*args: Any, retries: int, **kwargs: Any) -> Any:
        recorder.note("retries", retries)
        return function(*args, **kwargs)

    return wrapper


def of_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """Say what the wrapper takes."""

    @functools.wraps(function)
    def wrapper(name: str, /) -> Any:
        return function("connection", name)

    return wrapper


@job
@with_connection
def load(connection: str, name: str) -> None:
    recorder.note("loaded", connection, name)


@job
@with_retries
def send(name: str) -> None:
    recorder.note("sent", name)


@job
@of_one
def fetch(connection: str, name: str) -> None:
    recorder.note("fetched", connection, name)


@job
@functools.cache
def remember(name: str) -> None:
    recorder.note("remembered", name)


@job(sensitive=("password",))
@with_connection
def log_in(connection: str, user: str, password: str = "") -> None:
    raise ValueError(f"{connection} refused {user} with {password}")


class Library(Delayable, Document):
    meta = {"strict": False}

    @with_connection_for_method
    def lend(self, connection: str, title: str) -> None:
        recorder.note("lent", connection, title)

    @handle_asynchronously
    @with_connection_for_method
    def order(self, connection: str, title: str) -> None:
        recorder.note("ordered", connection, title)


@dataclass
class Item:
    name: str


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class Crate(Box[Item]):
    """Names the class of what is in it by its base alone."""


@dataclass
class Parcel:
    number: int


Registered = NewType("Registered", Parcel)


@job
def pack(box: Box[Item], boxes: "list[Box[int]] | None" = None) -> None:
    recorder.note("packed", box, boxes)


@job
def ship(crate: Crate, parcel: Registered | None = None) -> None:
    recorder.note("shipped", crate, parcel)
