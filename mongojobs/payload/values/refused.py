"""How a value is refused at enqueue, so that the message names the place inside the argument."""

from __future__ import annotations

from mongojobs.core.errors import EnqueueError, UnsavedDocumentError, UnstorableValueError


class RefusedError(Exception):
    """Raised where a value cannot be stored, and turned into an EnqueueError at the top.

    Each container on the way up adds its part to ``path``: finding the place costs nothing while all goes well.
    """

    def __init__(self, reason: str, *, unsaved: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unsaved = unsaved
        self.path: list[str] = []

    def at(self, where: str) -> EnqueueError:
        """Return the error for the caller of enqueue; *where* names the argument."""
        place = where + "".join(reversed(self.path))
        message = f"{place} {self.reason}"
        return UnsavedDocumentError(message) if self.unsaved else UnstorableValueError(message, where=place)


def reachable(name: str) -> str:
    """Return *name*, of a class. Raises RefusedError when a worker could not find a class by it."""
    if name.startswith("__main__."):
        raise RefusedError(f"is of {name}, and a worker has another __main__: move the class to a module of its own")
    if "<locals>" in name:
        raise RefusedError(f"is of {name}, which no worker could find: define the class at the top level of a module")
    return name
