"""The values of settings as people write them: in Python, in a file, in the environment or as a flag.

Each parser returns the value in its own type, or raises ValueError as ``core.checks`` do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mongojobs.core.calling import generator_kind, is_async
from mongojobs.core.checks import Check, plain_text, queue_name
from mongojobs.core.limits import HIGHEST_PRIORITY, LOWEST_PRIORITY
from mongojobs.core.words.sizes import parse_size

LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_LEVELS_BY_OTHER_NAMES: Final = {
    "10": "debug",
    "20": "info",
    "30": "warning",
    "40": "error",
    "50": "critical",
    "0": "debug",
    "1": "info",
    "2": "warning",
    "3": "error",
    "4": "critical",
    "5": "critical",
    "warn": "warning",
    "fatal": "critical",
    "unknown": "critical",
}
LARGEST_QUEUE: Final = 10_000_000
"""The largest ``max_size`` of a queue, all of which is counted at each enqueue once it is nearly full."""


def number(least: int, most: int | None = None) -> Check:
    """Return a parser of whole numbers between *least* and *most*."""
    allowed = f"must be {least} or more" if most is None else f"must be between {least} and {most}"

    def parse(value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if not isinstance(number, int) or isinstance(number, bool):
            raise ValueError("must be a whole number")
        if number < least or (most is not None and number > most):
            raise ValueError(allowed)
        return number

    return parse


priority: Final = number(LOWEST_PRIORITY, HIGHEST_PRIORITY)


def size(value: object) -> int:
    """Return a size of memory in bytes, given as a number or as a text such as ``400M``, ``1.5G``, ``512MiB``."""
    size = parse_size(value)
    if size < 2**20:
        raise ValueError("must be 1M or more")
    return size


def share(value: object) -> float:
    """Return a share: a number between 0 and 1."""
    try:
        share = float(value)  # type: ignore[arg-type]  # refused just below
    except (TypeError, ValueError):
        raise ValueError("must be a number between 0 and 1") from None
    if not 0 <= share <= 1:
        raise ValueError("must be a number between 0 and 1")
    return share


def truth(value: object) -> bool:
    """Return a boolean, which a file or the environment writes as ``true``, ``1``, ``yes``, ``on`` and the like."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("must be true or false")


def function(value: object) -> object:
    """Return *value* if it is a function that can be called without being awaited."""
    if not callable(value):
        raise ValueError("must be a function")
    if is_async(value) or generator_kind(value):
        raise ValueError("must be a plain function, since nothing awaits it")
    return value


def truth_or_callable(value: object) -> object:
    """Return a boolean, or a function that decides."""
    return function(value) if callable(value) else truth(value)


def text(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a non-empty text")
    return plain_text(value).strip()  # what a file or a shell leaves around it is never meant


def queue_names(value: object) -> tuple[str, ...]:
    """Return the queue names in *value*, a list or comma-separated text.

    Only an empty text or list names none: what is left of a template must not mean all queues.
    """
    names = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or (value and not names):
        raise ValueError("must be names separated by commas")
    return tuple(queue_name(name) for name in names)


def module_names(value: object) -> tuple[str, ...]:
    """Return the module names in *value*, a list or comma-separated text; none for an empty text."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be a list of module names")
    modules = tuple(part.strip() for name in names for part in name.split(","))
    if isinstance(value, str) and not value.strip():
        return ()
    if not all(modules):
        raise ValueError("must not contain an empty module name")
    return modules


def names_or_callable(value: object) -> object:
    """Return names, given as a list or comma-separated text, or a function that says whether a name is one of them."""
    if callable(value):
        return function(value)
    names = [part.strip() for part in value.split(",") if value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(name, str) and name.strip() == name for name in names):
        raise ValueError("must be a list of names, or a function that says whether a name is allowed")
    if not all(names):
        raise ValueError("must be a list of non-empty names")
    return tuple(map(plain_text, names))


def queue_attributes(value: object) -> Mapping[str, Mapping[str, int]]:
    """Return the attributes of each queue."""
    if not isinstance(value, Mapping):
        raise ValueError('must be a table such as {"mail": {"priority": 10}}')
    parse = {"priority": priority, "max_size": number(1, LARGEST_QUEUE)}
    attributes: dict[str, Mapping[str, int]] = {}
    for queue, of_queue in value.items():
        if not isinstance(of_queue, Mapping) or set(of_queue) - set(parse):
            raise ValueError(f"knows only the attributes {' and '.join(parse)}, got {of_queue!r} for {queue!r}")
        try:
            attributes[queue_name(queue)] = {key: parse[key](number) for key, number in of_queue.items()}
        except ValueError as error:
            raise ValueError(f"{error}, as it does not for {queue!r:.100}") from None
    return attributes


def choice(*allowed: str) -> Check:
    """Return a parser of one of the words *allowed*, in any case."""

    def parse(value: object) -> str:
        text = str(value).lower()
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return parse


def log_level(value: object) -> str:
    """Return the name of a level given by name or by number: Python's, or delayed_job's severity."""
    text = "" if isinstance(value, bool) else str(value).strip().lower()
    level = _LEVELS_BY_OTHER_NAMES.get(text, text)
    if level not in LOG_LEVELS:
        raise ValueError(
            f"must be one of {', '.join(LOG_LEVELS)}, or its number, 10 to 50, or 0 to 5 as in delayed_job"
        )
    return level


def write_concern(value: object) -> str | int:
    """Return how many nodes must acknowledge a write: a number, or ``majority``."""
    if value == "majority":
        return "majority"
    try:
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None:
        raise ValueError('must be "majority" or a number of nodes')
    if number < 1:
        raise ValueError("must be 1 or more: with 0 the database would not even say whether it stored the job")
    return int(number)
