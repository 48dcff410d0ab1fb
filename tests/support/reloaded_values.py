"""A module that a test reads again, as a development server or a notebook does."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mongoengine import EmbeddedDocument, IntField

from mongojobs import job
from tests.support.sample_jobs import recorder


class Colour(enum.Enum):
    RED = 1


@dataclass
class Ink:
    amount: int = 1


class Pen(EmbeddedDocument):
    size = IntField()


@job
def colour_and_ink(value: Colour | Ink | Pen) -> None:
    recorder.note("seen", value)


def make(name: str) -> Any:
    """Return an instance of the class *name*, as it is now."""
    makers: dict[str, Callable[[], Any]] = {"Colour": lambda: Colour.RED, "Ink": Ink, "Pen": lambda: Pen(size=1)}
    return makers[name]()
