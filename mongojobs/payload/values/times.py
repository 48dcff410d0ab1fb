"""Dates and times as text that keeps what a BSON date loses: microseconds, zone, fold, or having no zone at all."""

from __future__ import annotations

import functools
import sys
import zoneinfo
from datetime import UTC, date, datetime, time
from typing import ClassVar, TypeVar
from zoneinfo import ZoneInfo

from mongojobs.payload.values.refused import RefusedError

T = TypeVar("T", datetime, time)


def _python_own(name: str, swapped: type) -> type:
    return next(base for base in swapped.__mro__ if (base.__module__, base.__name__) == ("datetime", name))


class Own:
    """Python's own classes, even if a test library has replaced these names in this and all other modules."""

    datetime: ClassVar[type[datetime]] = _python_own("datetime", datetime)
    date: ClassVar[type[date]] = _python_own("date", date)


def stood_in_for(kind: type) -> type[date] | None:
    """Return the class that *kind* replaces in a test: *kind* has taken its place, or claims its instances."""
    for own, sample in ((Own.datetime, Own.datetime(2000, 1, 1)), (Own.date, Own.date(2000, 1, 1))):
        if issubclass(kind, own) and (
            isinstance(sample, kind) or getattr(sys.modules["datetime"], own.__name__) is kind
        ):
            return own
    return None


def own_datetime(value: datetime) -> datetime:
    """Return *value* as Python's own ``datetime``."""
    clock = (value.hour, value.minute, value.second, value.microsecond)
    return Own.datetime(value.year, value.month, value.day, *clock, tzinfo=value.tzinfo, fold=value.fold)


def stored_datetime(value: datetime) -> object:
    """Return *value* as the content of the tag ``datetime``; a UTC time in whole milliseconds as it is."""
    zone = _zone(value)
    if zone is not None:
        return _in_zone(value.replace(tzinfo=None, fold=0).isoformat(), value.fold, zone)
    _check_offset(value)
    if value.tzinfo is None:
        return _in_zone(value.replace(fold=0).isoformat(), value.fold, None)
    return value.replace(fold=0).isoformat()


def stored_time(value: time) -> object:
    """Return *value* as the content of the tag ``time``."""
    zone = _zone(value)
    if zone is None and value.tzinfo is not None and value.utcoffset() is None:
        raise RefusedError(f"is a time in {value.tzinfo!r}, which means nothing without a date: pass a datetime")
    _check_offset(value)
    return _in_zone(value.replace(tzinfo=None if zone else value.tzinfo, fold=0).isoformat(), value.fold, zone)


def loaded_datetime(stored: object) -> datetime:
    """Return what ``stored_datetime`` stored. Raises ValueError or TypeError for anything else."""
    return _loaded(Own.datetime, stored)


def loaded_time(stored: object) -> time:
    """Return what ``stored_time`` stored. Raises ValueError or TypeError for anything else."""
    return _loaded(time, stored)


def _loaded(kind: type[T], stored: object) -> T:
    text, fold, zone = _parts(stored)
    value = kind.fromisoformat(text)
    if value.isoformat() != text:
        raise ValueError(f"{text!r:.50} is not a {kind.__name__} as we write it")
    return value.replace(tzinfo=_known_zone(zone) if zone is not None else value.tzinfo, fold=fold)


def is_plain(value: datetime) -> bool:
    """Return whether a BSON date keeps all of *value*: UTC, in whole milliseconds."""
    return value.tzinfo is UTC and value.microsecond % 1000 == 0


def in_utc(value: datetime) -> datetime:
    """Return *value* with ``datetime.UTC`` in place of any other UTC tzinfo, such as PyMongo's."""
    if value.tzinfo is None or value.tzinfo is UTC or _zone(value) is not None or value.utcoffset():
        return value
    return value.replace(tzinfo=UTC)


def _check_offset(value: datetime | time) -> None:
    # CPython reads some of these wrong: -00:00:00.5 comes back as +00:00:00.5.
    offset = value.utcoffset()
    if offset is not None and offset.microseconds:
        raise RefusedError(f"is {offset} from UTC, which is not a whole number of seconds: round it")


def _zone(value: datetime | time) -> str | None:
    """Return the name by which another machine can find the time zone again."""
    zone = value.tzinfo
    return zone.key if isinstance(zone, ZoneInfo) and zone.key in _known_zones() else None


def _in_zone(text: str, fold: int, zone: str | None) -> object:
    if not fold and zone is None:
        return text
    return {"wall": text, "fold": fold, "zone": zone}


def _parts(stored: object) -> tuple[str, int, str | None]:
    match stored:
        case str():
            return stored, 0, None
        case {"wall": str(text), "fold": (0 | 1) as fold, "zone": (str() | None) as zone, **rest} if not rest:
            return text, int(fold), zone
        case _:
            raise TypeError("neither a text nor {wall, fold, zone}")


def _known_zone(name: str) -> ZoneInfo:
    # Only after the look-up: ZoneInfo would search for any name, first as a file, then as a module.
    if name not in _known_zones():
        raise ValueError(f"the time zone {name!r:.100} is not known on this machine: install the package tzdata")
    return ZoneInfo(name)


@functools.cache
def _known_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
