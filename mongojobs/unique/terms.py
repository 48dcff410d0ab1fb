"""The terms of a unique job: what the enqueue says of it, laid over the declaration, as one value without a gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mongojobs.core.errors import OptionError
from mongojobs.unique.checks import Keep, OnDuplicate, period_of

KEYS: Final = frozenset(("unique", "unique_key"))
"""The options that say what the key is made of; one of them is required."""

MANNERS: Final = (
    "across",
    "on_duplicate",
    "keep",
    "unique_until",
    "unique_for",
    "debounce",
    "max_wait",
    "throttle",
)
"""Those that say what the key does."""

NAMES: Final = ("unique", "unique_key", *MANNERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What happens to another call, and how long the key is held."""

    on_duplicate: OnDuplicate = "return"
    keep: Keep = "last"
    until_start: bool = False
    lasts: timedelta | None = None
    """How long the key is held from the first enqueue on, even by a job that has completed."""
    debounce: timedelta | None = None
    max_wait: timedelta | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Terms:
        """Return the terms in *said*, already checked one by one. Raises OptionError if they contradict each other."""
        _check(said)
        debounce = said.get("debounce")
        return cls(
            on_duplicate="replace" if debounce else said.get("on_duplicate", "return"),
            keep=said.get("keep", "last"),
            until_start=debounce is not None or said.get("unique_until") == "start",
            lasts=period_of(said["throttle"]) if "throttle" in said else said.get("unique_for"),
            debounce=debounce,
            max_wait=said.get("max_wait"),
        )

    def fields(self, now: datetime) -> dict[str, Any]:
        """Return what a job that is made *now* says of how long it holds its key."""
        fields: dict[str, Any] = {}
        if self.until_start:
            fields["unique_until"] = "start"
        if self.lasts is not None:
            fields["key_until"] = now + self.lasts
        if self.debounce is not None:
            fields["run_at"] = now + min(self.debounce, self.max_wait or self.debounce)
        if self.max_wait is not None:
            fields["start_by"] = now + self.max_wait
        return fields


def without_key(said: Mapping[str, Any]) -> None:
    """Refuse options about a key if there is none. Raises OptionError."""
    for name in MANNERS:
        if name in said:
            raise OptionError(
                f"{name}={said[name]!r:.100} needs a key: say which calls are the same with unique=True,"
                ' unique="argument" or unique_key=...'
            )


_TOGETHER_NOT: Final = (
    ("debounce", "throttle", "debounce runs the last call, throttle the first"),
    ("debounce", "unique_for", "a debounced job releases its key when it starts"),
    ("debounce", "run_at", "debounce says when it is due"),
    ("debounce", "run_in", "debounce says when it is due"),
    ("throttle", "unique_for", "both say how long further calls are dropped"),
)


def _check(said: Mapping[str, Any]) -> None:
    for one, other, why in _TOGETHER_NOT:
        if one in said and other in said:
            raise OptionError(f"give {one} or {other}, not both: {why}")
    for name in ("unique_for", "throttle"):
        if name in said and said.get("unique_until") == "start":
            raise OptionError(
                f'{name}={said[name]} holds the key after the job has started: leave out unique_until="start"'
            )
    if "debounce" in said and said.get("unique_until") == "end":
        raise OptionError('a debounced job releases its key when it starts: leave out unique_until="end"')
    if "debounce" in said and said.get("on_duplicate", "replace") != "replace":
        raise OptionError(f"debounce replaces the earlier call: leave out on_duplicate={said['on_duplicate']!r}")
    if "max_wait" in said and "debounce" not in said:
        raise OptionError(f"max_wait={said['max_wait']} limits how long debounce puts a job off: give debounce too")
    if "keep" in said and "debounce" not in said and said.get("on_duplicate") not in ("replace", "rerun"):
        raise OptionError(f'keep={said["keep"]!r} says which run_at a replaced job gets: give on_duplicate="replace"')
