"""How a job's field is declared: its annotation says how it is stored, its metadata what an app may set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from mongojobs.core.checks import Check

LISTED: Final = "listed"
DETAILED: Final = "detailed"
HIDDEN: Final = "hidden"
"""Where JSON includes a field: always, only in a job's full details, or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What an app may set in an enqueue.

    *text* is the help of the flag of ``mongojobs enqueue``, *flags* its names unless there is one, that of the option.
    Where the enqueue does not say it, the first of these does: the attribute *of_object* of a job object, the
    declaration if it *is_declared*, the attributes of the queue if it *is_of_queue*, and the *setting*.
    """

    check: Check
    text: str
    flags: tuple[str, ...] = ()
    metavar: str = ""
    of_object: str = ""
    is_declared: bool = False
    is_of_queue: bool = False
    setting: str = ""


def option(check: Check, text: str, *, json: str = LISTED, **more: Any) -> dict[str, Any]:
    """Return the metadata of a field that is an option of an enqueue; *more* goes to ``Option``."""
    return {"json": json, "option": Option(check=check, text=text, **more)}


def kind_of(field: dataclasses.Field[Any]) -> str:
    """Return the annotation of *field* without None: the key to how rooms store, read or show it."""
    return str(field.type).removesuffix(" | None")
