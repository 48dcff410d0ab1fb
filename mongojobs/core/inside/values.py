"""Values that a job keeps for its next run: of the types that arguments may have, and no larger than a payload."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mongojobs.core.errors import ProgressError
from mongojobs.core.limits import LARGEST_STEPS, LONGEST_NAME


@dataclass(frozen=True, slots=True)
class Values:
    """How values are kept: *encode* and *decode* as those of arguments do, with the place to name in errors.

    All that one job keeps of a kind takes *most* bytes.
    """

    encode: Callable[[object, str], Any]
    decode: Callable[[Any, str], object]
    most: int

    def name(self, what: str, name: object, taken: Container[str]) -> str:
        """Return *name* if *what* may be called so. Raises ProgressError."""
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise ProgressError(
                f"the name of {what} must be a printable text of 1 to {LONGEST_NAME} characters, got {name!r:.100}"
            )
        if name in taken:
            raise ProgressError(f"the name of {what} must be its own in a job, and {name!r} is there already")
        return str.__str__(name)

    def check_size(self, name: str, kept: Sequence[Mapping[str, Any]]) -> None:
        """Raise ProgressError if what would be *kept*, with *name* as the last one, is too much."""
        import bson  # noqa: PLC0415 - the command line handles jobs before it loads the driver

        size = len(bson.encode({"": [dict(entry) for entry in kept]}))
        if size > self.most:
            raise ProgressError(
                f"with {name!r} the job would keep {size} bytes, more than {self.most} (max_payload_bytes, or"
                f" {LARGEST_STEPS} if that is less): store the value in a document of its own and keep its id"
            )


AS_THEY_ARE: Final = Values(lambda value, _where: value, lambda stored, _where: stored, most=2**20)
"""Keeps what BSON has."""
