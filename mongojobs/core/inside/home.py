"""Where one who holds a job asks about it: ``Job`` has the questions, ``mongojobs.results`` the answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar

J = TypeVar("J")
"""``Job``, which knows this module."""

Timeout = timedelta | float | str | None
"""How long to wait: a duration; None: as long as it takes."""


class Home(Protocol[J]):
    """Answers what is asked of a job; the methods of ``Job`` say what."""

    def refresh(self, job: J) -> J:
        """Return *job* as it is now."""
        ...

    def wait(self, job: J, timeout: Timeout) -> J | None:
        """Return *job* when it has ended."""
        ...

    def result(self, job: J, timeout: Timeout) -> Any:
        """Return what *job* returned."""
        ...

    async def aresult(self, job: J, timeout: Timeout) -> Any:  # noqa: ASYNC109 - the same call as result
        """Return what *job* returned."""
        ...


_here: Final[list[Callable[[], Home[Any]]]] = []


def home_here() -> Home[Any]:
    """Return the home of a job that brings none, such as the current one: that of the app active here."""
    return _here[-1]()


def provide_home(home: Callable[[], Home[Any]]) -> None:
    """Fill the slot."""
    _here[:] = [home]
