"""Jobs that are given a secret, and let it slip in every way."""

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

from mongoengine import Document, StringField

from mongojobs import Delayable, Discard, handle_asynchronously, job

CANARY = "c4n4ry's \\ secret"
"""It looks different in the repr of a text."""


class SlipError(Exception):
    """What gives the secret away."""


def _in_a_group(text: str) -> Exception:
    return ExceptionGroup("several", [SlipError(text), ExceptionGroup("more", [SlipError(f"{text} again")])])


def _in_a_note(text: str) -> Exception:
    error = SlipError("no")
    error.add_note(f"it was {text}")
    return ExceptionGroup("several", [error])


WAYS: dict[str, Callable[[str], Exception]] = {
    "plainly": SlipError,
    "in a group": _in_a_group,
    "in a note": _in_a_note,
    "in its repr": lambda text: KeyError({"is": [text]}),
    "in the repr of its repr": lambda text: KeyError(repr([text])),
    "as JSON": lambda text: SlipError(json.dumps({"is": text})),
    "as JSON in JSON": lambda text: SlipError(json.dumps(json.dumps({"is": text}, ensure_ascii=False))),
    "in a URL": lambda text: SlipError(f"https://example.org/?key={quote(text, safe='')}&more=1"),
    "in a form": lambda text: SlipError(f"key={quote_plus(text)}&more=1"),
    "as HTML": lambda text: SlipError(f"<b>{html.escape(text)}</b>"),
    "as bytes": lambda text: SlipError(text.encode()),
    "in capitals": lambda text: SlipError(text.upper()),
    "behind a backslash": lambda text: SlipError(f"DOMAIN\\{text}"),
}
"""How a text may be given away."""


@job(sensitive=("password",))
def log_in(user: str, password: Any) -> None:
    raise SlipError(f"{user} was refused with {password}, {password!r} and {[password]}")


@job(sensitive=("secret",), max_attempts=1)
def gives_away(secret: str, way: str) -> None:
    raise WAYS[way](secret)


@job(sensitive=("secret",), max_attempts=1)
def formats(secret: Any, form: str) -> None:
    raise SlipError(form.format(secret))


@job(sensitive=("rest", "more"), max_attempts=1)
def takes_more(*rest: Any, **more: Any) -> None:
    raise SlipError(f"{rest} and {more}")


@job(max_attempts=1)
def calls_with(options: Any, password: str = "") -> None:
    raise SlipError(f"{options} was refused with {password}")


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
