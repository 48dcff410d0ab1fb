"""Figures of one name and queue, as stored.

A histogram is stored as its number of buckets, then the lowest byte of each bucket's count, then the next byte of
each, up to the largest count's last: a fifth of a list. No sum of sound ones runs over from one bucket into the next.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mongojobs.core.job import Document
from mongojobs.core.stats import ALL, BUCKETS, LANE, OUTCOMES, Durations, RunStats
from mongojobs.store import reading

_MOST_PLANES: Final = 6


def figures_of(pairs: Mapping[tuple[str, str], RunStats], together: RunStats) -> Document:
    """Return what is stored of *pairs* of name and queue, and of all of them *together*."""
    entries = [_entry_of(name, queue, figures) for (name, queue), figures in pairs.items()]
    return {"jobs": entries, "all": [_entry_of(ALL, ALL, together)]}


def _entry_of(name: str, queue: str, figures: RunStats) -> Document:
    outcomes = {outcome: count for outcome, count in figures.outcomes.items() if count}
    if figures.merged:
        outcomes["merged"] = figures.merged
    durations = {"run": figures.run, "wait": figures.wait}
    return {"name": name, "queue": queue, **outcomes} | {
        of: {"counts": _packed(those.lanes), "seconds": those.seconds, "longest": those.longest}
        for of, those in durations.items()
        if those.lanes
    }


def include(figures: RunStats, entry: Mapping[str, Any]) -> None:
    """Add a sound *entry* to *figures*."""
    outcomes = figures.outcomes
    for field, value in entry.items():
        if field in outcomes:
            outcomes[field] += value
    if "merged" in entry:
        figures.merged += entry["merged"]
    if run := entry.get("run"):
        _include_durations(figures.run, run)
    if wait := entry.get("wait"):
        _include_durations(figures.wait, wait)


def is_sound(entry: Mapping[str, Any]) -> bool:
    """Whether an entry can be added to others: one that is not a number would spoil every sum.

    It is asked for each name and minute of a table, where a generator would take half as long again.
    """
    for field, value in entry.items():
        check = _CHECKS.get(field)
        if check is not None and not check(value):
            return False
    return entry.keys() >= _NAMED


def _include_durations(durations: Durations, stored: Mapping[str, Any]) -> None:
    durations.include_lanes(_as_lanes(stored["counts"]), seconds=stored["seconds"], longest=stored["longest"])


def _are_durations_if_any(stored: Any) -> bool:
    return stored is None or (
        type(stored) is dict
        and _are_packed(stored.get("counts"))
        and reading.is_amount(stored.get("seconds"))
        and reading.is_amount(stored.get("longest"))
    )


def _packed(lanes: int) -> bytes:
    """Return the histogram of *lanes*, as in ``Durations``, of which one is not 0."""
    buckets = -(-lanes.bit_length() // (8 * LANE))
    held = lanes.to_bytes(LANE * buckets, "little")
    planes = [held[plane::LANE] for plane in range(LANE)]
    while not any(planes[-1]):
        planes.pop()
    return bytes([buckets]) + b"".join(planes)


def _are_packed(stored: Any) -> bool:
    """Whether *stored* is a histogram that can be added to others, packed or, as before, a list."""
    if type(stored) is bytes and stored:
        buckets, size = stored[0], len(stored) - 1
        return 0 < buckets <= BUCKETS and 0 < size <= _MOST_PLANES * buckets and not size % buckets
    return reading.are_counts(stored) and len(stored) <= BUCKETS and max(stored, default=0) < 1 << 8 * _MOST_PLANES


def _as_lanes(stored: bytes | Sequence[int]) -> int:
    """Return a histogram as ``_are_packed`` accepts it in the form of ``Durations.lanes``."""
    if not isinstance(stored, bytes):
        return int.from_bytes(struct.pack(f"<{len(stored)}Q", *stored), "little")
    buckets = stored[0]
    lanes = bytearray(LANE * buckets)
    lanes[::LANE] = stored[1 : 1 + buckets]
    for plane in range(1, (len(stored) - 1) // buckets):
        lanes[plane::LANE] = stored[1 + plane * buckets : 1 + (plane + 1) * buckets]
    return int.from_bytes(lanes, "little")


_NAMED: Final = {"name", "queue"}
_CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(_NAMED, lambda value: type(value) is str),
    **dict.fromkeys((*OUTCOMES, "merged"), reading.is_count),
    **dict.fromkeys(("run", "wait"), _are_durations_if_any),
}
