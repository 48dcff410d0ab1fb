"""What test libraries that freeze time do: they replace Python's classes with their own."""

import datetime as dt
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OWN = (dt.datetime, dt.date)
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class _LikeDate(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _OWN[1])


class _LikeDatetime(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _OWN[0])


class HeldDate(dt.date, metaclass=_LikeDate):
    @classmethod
    def today(cls) -> Any:
        return cls(NOON.year, NOON.month, NOON.day)


class HeldDatetime(dt.datetime, metaclass=_LikeDatetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return cls(NOON.year, NOON.month, NOON.day, NOON.hour, tzinfo=tz)


_HELD = (HeldDatetime, HeldDate)


@contextmanager
def held_time(package: str) -> Iterator[None]:
    """Let all modules of *package*, and ``datetime`` itself, see the classes above in place of Python's."""
    _swap(package, dict(zip(_OWN, _HELD, strict=True)))
    try:
        yield
    finally:
        _swap(package, dict(zip(_HELD, _OWN, strict=True)))


def _swap(package: str, classes: dict[type, type]) -> None:
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in (package, "datetime")]
    for module in modules:
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and value in classes:
                setattr(module, name, classes[value])
