"""A class whose objects are kept by the app, in its own way, and jobs that are given them."""

import asyncio
from typing import Any

from mongojobs import job, register_reference

shelf: dict[str, "Parcel"] = {}
given: list[object] = []


class Parcel:
    """What `shelf` holds by its label; another one each time that it is taken from there."""

    def __init__(self, label: str, weight: int) -> None:
        self.label = label
        self.weight = weight

    def keep(self) -> "Parcel":
        shelf[self.label] = self
        return self


class Letter(Parcel):
    pass


class Odd(Parcel):
    pass


class Remote(Parcel):
    """Asked for over the network, so to say."""


def _key(parcel: Parcel) -> str | None:
    return parcel.label if parcel.label in shelf else None


def _load(cls: Any, label: Any) -> Any:
    found = shelf.get(label)
    return None if found is None else cls(found.label, found.weight)


async def _fetch(cls: Any, label: Any) -> Any:
    await asyncio.sleep(0)
    return _load(cls, label)


register_reference(Parcel, _key, _load)
register_reference(Remote, _key, _fetch)
register_reference(Odd, lambda odd: odd.label, lambda _cls, label: label)


@job(keep_result="1d")
def weigh(parcel: Parcel, *more: Parcel) -> Parcel:
    given.extend([parcel, *more])
    return parcel


@job(on_missing="discard")
def send(parcel: Parcel) -> None:
    given.append(parcel)


@job(unique="parcel")
def stamp(parcel: Parcel) -> None:
    pass
