"""Documents whose methods are delayed; what they do is written down in ``recorder``."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from mongoengine import DateTimeField, Document, FloatField, IntField, ReferenceField, StringField, UUIDField

from mongojobs import Delayable, handle_asynchronously
from tests.support.sample_jobs import NoLuckError, recorder


def _priority_of_the_moment() -> int:
    recorder.note("evaluated")
    return 8


class Band(Delayable, Document):
    """The seed's ``Group``, with ``delay`` as an attribute."""

    meta = {"strict": False, "allow_inheritance": True}

    name = StringField()
    size = IntField(default=4)
    calls = IntField(default=0)

    def play(self, *songs: Any, encore: bool = False) -> None:
        recorder.note("played", self.name, songs, encore)

    def rename(self, name: str) -> None:
        self.name = name
        self.save()

    def quarrel(self) -> None:
        raise NoLuckError("the drummer left")

    async def rehearse(self, song: str) -> None:
        recorder.note("rehearsed", self.name, song)

    def _tune(self) -> None:
        recorder.note("tuned", self.name)

    @classmethod
    def count_all(cls, least: int = 0) -> None:
        recorder.note("counted", cls, least)

    @staticmethod
    def applaud(times: int) -> None:
        recorder.note("applauded", times)

    def take_any_name(this, **names: Any) -> None:  # noqa: N805 - so that self is free
        recorder.note("names", names)

    @handle_asynchronously
    def take_any_name_later(this, **names: Any) -> None:  # noqa: N805 - as above
        """Do it later."""
        recorder.note("names", names)

    def improvise(self) -> Iterator[str]:
        yield "a solo"

    @classmethod
    async def improvise_all(cls) -> AsyncIterator[str]:
        yield "a solo"

    @handle_asynchronously
    def tour(self, *cities: str, **details: Any) -> str:
        recorder.note("toured", self.name, cities, details)
        return "home again"

    @handle_asynchronously(priority=5, queue="records")
    def record(self) -> None:
        recorder.note("recorded", self.name)

    @handle_asynchronously(priority=_priority_of_the_moment)
    def rest(self) -> None:
        recorder.note("rested", self.name)

    @handle_asynchronously(priority=lambda band: band.size, queue=lambda band: f"queue of {band.name}")
    def split_up(self) -> None:
        recorder.note("split", self.name)

    @handle_asynchronously(max_attempts=1, discard_on=NoLuckError)
    def try_again(self) -> None:
        raise NoLuckError("no comeback")

    @handle_asynchronously
    def print_(self, what: str) -> None:
        recorder.note("printed", what)

    @handle_asynchronously
    def _sign(self) -> None:
        recorder.note("signed", self.name)

    @handle_asynchronously
    async def stream(self, song: str) -> None:
        recorder.note("streamed", song)

    @handle_asynchronously
    @classmethod
    def reunite(cls, year: int) -> None:
        recorder.note("reunited", cls, year)

    @handle_asynchronously
    @staticmethod
    def advertise(text: str) -> None:
        recorder.note("advertised", text)


class Tribute(Band):
    """Inherits everything."""


class Delayed(Document):
    """Has a field called ``delay``, so that ``delay(document)`` is needed."""

    meta = {"strict": False}

    delay = IntField(default=3)

    def wait(self) -> None:
        recorder.note("waited", self.delay)


class Coincidence(Delayable, Document):
    """Has methods and attributes that are hooks and overrides of job objects, by chance."""

    meta = {"strict": False}

    name = StringField()
    max_attempts = 1
    queue_name = "a queue by chance"
    display_name = "a name by chance"
    destroy_failed_jobs = True

    def enqueue(self, *_arguments: object) -> None:
        recorder.note("enqueue")

    def before(self, *_arguments: object) -> None:
        recorder.note("before")

    def success(self, *_arguments: object) -> None:
        recorder.note("success")

    def error(self, *_arguments: object) -> None:
        recorder.note("error")

    def after(self, *_arguments: object) -> None:
        recorder.note("after")

    def failure(self, *_arguments: object) -> None:
        recorder.note("failure")

    def work(self) -> None:
        recorder.note("worked")

    def quarrel(self) -> None:
        recorder.note("quarrelled")
        raise NoLuckError("by chance")


class City(Document):
    """Has its own key, and a time that the database stores less exactly."""

    code = StringField(primary_key=True)
    name = StringField()
    founded = DateTimeField()
    seal = UUIDField()
    area = FloatField()


class Roadie(Document):
    """Refers to a band, and does not have its own ``delay``."""

    name = StringField()
    band = ReferenceField(Band)

    def carry(self, what: str) -> None:
        recorder.note("carried", self.name, what)

    def _drink(self) -> None:
        recorder.note("drunk")

    @classmethod
    def _strike(cls) -> None:
        recorder.note("struck")

    @staticmethod
    def _swear() -> None:
        recorder.note("sworn")
