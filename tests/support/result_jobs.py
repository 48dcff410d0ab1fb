"""Jobs that return something to be kept, each named for its plot."""

import threading
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from mongoengine import Document, IntField

from mongojobs import Delayable, Discard, Snooze, current_job, handle_asynchronously, job
from tests.support.documents import User


@dataclass
class Bill:
    """Known to nobody but by the hint of the job that returns it."""

    number: int
    total: Decimal


@job(keep_result="1d")
def adds(one: Any, other: Any) -> Any:
    return one + other


@job
def multiplies(one: int, other: int) -> int:
    return one * other


@job(keep_result="1d")
async def adds_later(one: int, other: int) -> int:
    return one + other


@job(keep_result="1d")
def bills(number: int) -> Bill:
    return Bill(number, Decimal("1.10"))


@job(keep_result="1d")
def finds(user: User) -> User:
    return user


@job(keep_result="1d")
def returns_all_kinds() -> Any:
    return {"moment": datetime(2030, 1, 1), "pair": (1, 2), "nothing": None, "large": 2**70}  # noqa: DTZ001 - a naive one


@job(keep_result="1d")
def returns(size: int) -> bytes:
    return b"x" * size


@job(keep_result="1d")
def keeps_as_much_as_it_may(text: str, *, kept: int, size: int) -> str:
    this_job = current_job()
    assert this_job is not None
    with this_job.step("fetch") as step:
        step.done("y" * kept)
    return text[:size]


@job(keep_result="1d")
def returns_a_lock() -> Any:
    return {"locks": [1, threading.Lock()]}


@dataclass
class Prickly:
    """Raises when it is looked at."""

    number: int = 1

    def __getattribute__(self, name: str) -> Any:
        if name == "number":
            raise RuntimeError("go away")
        return super().__getattribute__(name)


@job(keep_result="1d")
def returns_something_prickly() -> Prickly:
    return Prickly()


@job(keep_result="1d")
def snoozes() -> None:
    raise Snooze(60)


seen: list[str] = []


@job
def looks_at_itself() -> None:
    me = current_job()
    assert me is not None
    seen[:] = [me.refresh().state]


@job(keep_result="1d", max_attempts=1)
def fails(word: str) -> None:
    raise LookupError(f"no {word}")


@job(keep_result="1d", max_attempts=1, destroy_failed_jobs=True)
def fails_and_goes() -> None:
    raise LookupError("gone")


@job(keep_result="1d")
def discards() -> None:
    raise Discard("not needed")


@job(keep_result="1d", unique=True, on_duplicate="rerun")
def runs_again(number: str) -> str:
    me = current_job()
    assert me is not None
    return f"{number} at reserve {me.fence}"


@job
@dataclass
class Sum:
    """Keeps its result as its class says."""

    one: int
    other: int
    keep_result: ClassVar[str] = "2h"

    def perform(self) -> int:
        return self.one + self.other


class Tally(Delayable, Document):
    count = IntField(default=0)

    def doubled(self) -> int:
        return int(self.count) * 2

    @handle_asynchronously(keep_result="1h")
    def trebled(self) -> int:
        return int(self.count) * 3
