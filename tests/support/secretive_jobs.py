"""Jobs that are given a secret, and let it slip in every way."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mongoengine import Document, StringField

from mongojobs import Delayable, Discard, handle_asynchronously, job

CANARY = "c4n4ry's \\ secret"
"""It looks different in the repr of a text."""


class SlipError(Exception):
    """What gives the secret away."""


@job(sensitive=("password",))
def log_in(user: str, password: Any) -> None:
    raise SlipError(f"{user} was refused with {password}, {password!r} and {[password]}")


@job(sensitive=("password",))
def log_in_with_a_chain(password: str) -> None:
    try:
        raise ValueError(password)
    except ValueError as error:
        raise SlipError(error) from error


@job(sensitive=("keys",))
def open_doors(keys: list[Any]) -> None:
    raise SlipError(f"none of {keys} fits")


@job(sensitive=("password",))
def discards_with(password: str) -> None:
    raise Discard(f"{password} is no good")


@job(sensitive=("password",))
def log_in_at_length(password: str, padding: int) -> None:
    raise SlipError("x" * padding + password + "x" * 100)


@job(sensitive=("amount",))
def needs_a_number(amount: Decimal) -> None:
    """Be given something else by a hand in the database."""


@job
def says(text: str) -> None:
    raise SlipError(text)


@job(sensitive=("password",))
@dataclass
class Login:
    """A job object whose hook raises, too."""

    user: str
    password: str

    def perform(self) -> None:
        raise SlipError(f"{self!r}")

    def failure(self) -> None:
        raise SlipError(f"{self!r} again")


class Account(Delayable, Document):
    name = StringField()

    @handle_asynchronously(sensitive=("password",), max_attempts=1)
    def log_in(self, password: str, *, user: str = "") -> None:
        raise SlipError(f"{self.name} {user} {password}")
