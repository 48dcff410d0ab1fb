"""Jobs that are unique; what they do is written down in ``recorder``."""

from dataclasses import dataclass
from typing import Any

from mongoengine import Document, StringField

from mongojobs import Delayable, handle_asynchronously, job
from tests.support.sample_jobs import NoLuckError, gate, recorder


@job(unique="order_id")
def sync(order_id: Any, reason: str = "") -> None:
    recorder.note("synced", (order_id, reason))


@job(unique=True)
def count(a: Any, b: Any = 1) -> None:
    recorder.note("counted", (a, b))


@job(unique=lambda path, **_more: path.rstrip("/"))
def index(path: str, **_more: Any) -> None:
    recorder.note("indexed", path)


@job(unique="order_id", on_duplicate="rerun")
def sync_again(order_id: int, reason: str = "") -> None:
    recorder.note("synced", (order_id, reason))
    gate.wait(20)


@job(unique="order_id", unique_until="start")
def sync_from_the_start(order_id: int, reason: str = "") -> None:
    recorder.note("synced", (order_id, reason))
    gate.wait(20)


@job(unique=True, max_attempts=2)
def fails_when_told(name: str) -> None:
    recorder.note("tried", name)
    raise NoLuckError(name)


@job(unique="user", sensitive="token")
def log_in(user: str, token: str) -> None:
    recorder.note("logged in", user)


@job(unique="token")
def use_token(token: str) -> None:
    recorder.note("used")


@job(unique="order_id")
def enqueues_itself(order_id: int) -> None:
    recorder.note("enqueued", enqueues_itself.delay(order_id).duplicate)


@job(unique="order_id", on_duplicate="rerun")
def wants_another_run(order_id: int, calls: int) -> None:
    recorder.note("ran", calls)
    for left in range(calls - 1, 0, -1):
        wants_another_run.delay(order_id, left)


@job
@dataclass
class Report:
    day: str
    pages: int = 1

    def unique_key(self) -> str:
        return f"report of {self.day}"

    def perform(self) -> None:
        recorder.note("reported", self.day)


@job(unique="day")
@dataclass
class Digest:
    day: str
    pages: int = 1

    def perform(self) -> None:
        recorder.note("digested", self.day)


class Shop(Delayable, Document):
    meta = {"strict": False}

    name = StringField()

    def restock(self, thing: str = "all") -> None:
        recorder.note("restocked", (self.name, thing))

    @handle_asynchronously(unique="thing")
    def paint(self, thing: str, colour: str) -> None:
        recorder.note("painted", (self.name, thing, colour))
