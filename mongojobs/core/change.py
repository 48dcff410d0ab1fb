"""What a transition writes, as a value: the store sends it to MongoDB, the in-memory store applies it to a job."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from mongojobs.core.job import ENDED, Job
from mongojobs.core.limits import KEPT_ENTRIES

_WITHOUT_VALUE: Final[dict[str, Any]] = {one.name: one.default for one in dataclasses.fields(Job)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to a job: its fields, by their names in ``Job``, and the change to each; or its deletion.

    One that ends a job frees its unique key with the same write, unless it sets the key.

    ``adds`` raises a counter by so much, ``lowers`` sets a time unless an earlier one is there, and ``pushes`` adds an
    entry to a history, of which the last ones are kept.
    """

    sets: Mapping[str, Any] = field(default_factory=dict)
    unsets: tuple[str, ...] = ()
    adds: Mapping[str, int] = field(default_factory=dict)
    lowers: Mapping[str, datetime] = field(default_factory=dict)
    pushes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    deletes: bool = False

    @property
    def taken_away(self) -> tuple[str, ...]:
        """The fields that have no value any more."""
        frees = self.sets.get("state") in ENDED and "unique_key" not in self.sets
        return (*self.unsets, "unique_key") if frees else self.unsets

    def applied_to(self, job: Job) -> Job | None:
        """Return *job* after this change; None if the change deletes it."""
        if self.deletes:
            return None
        fields = {name: _WITHOUT_VALUE[name] for name in self.taken_away} | dict(self.sets)
        fields |= {name: (getattr(job, name) or 0) + number for name, number in self.adds.items()}
        fields |= {name: min(getattr(job, name), moment) for name, moment in self.lowers.items()}
        fields |= {name: (*getattr(job, name), entry)[-KEPT_ENTRIES:] for name, entry in self.pushes.items()}
        return dataclasses.replace(job, **fields)


DELETED: Final = Change(deletes=True)
