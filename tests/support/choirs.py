"""Documents whose asynchronous methods call those that they override: what each body did is in ``recorder``."""

# mypy: disable-error-code="override, misc"
# what it is about: methods that override asynchronous ones, and a mixin that calls those of the class beside it

from mongoengine import Document, StringField

from mongojobs import Delayable, Job, handle_asynchronously
from tests.support.sample_jobs import recorder


class Choir(Delayable, Document):
    """Declares everything."""

    meta = {"strict": False, "allow_inheritance": True}

    name = StringField()

    @handle_asynchronously(queue="choir", max_attempts=1)
    def sing(self, song: str) -> None:
        recorder.note("Choir.sing", self.name, song)

    @handle_asynchronously
    @classmethod
    def count(cls) -> None:
        recorder.note("Choir.count", cls)

    @handle_asynchronously
    def _hum(self) -> None:
        recorder.note("Choir._hum")

    @handle_asynchronously
    async def stream(self) -> None:
        recorder.note("Choir.stream")

    def rest(self) -> None:
        recorder.note("Choir.rest")


class Loud:
    """A mixin, which declares too."""

    @handle_asynchronously(queue="loud")
    def sing(self, song: str) -> None:
        recorder.note("Loud.sing", song)
        super().sing(song.upper())


class Small(Choir):
    """Declares what its base declares."""

    @handle_asynchronously(queue="small")
    def sing(self, song: str) -> None:
        recorder.note("Small.sing", self.name, song)
        super().sing(song)

    @handle_asynchronously
    @classmethod
    def count(cls) -> None:
        recorder.note("Small.count", cls)
        super().count()

    @handle_asynchronously
    async def stream(self) -> None:
        recorder.note("Small.stream")
        super().stream()

    @handle_asynchronously
    def rest(self) -> None:
        recorder.note("Small.rest")
        super().rest()


class Smaller(Small):
    """The third in a row."""

    @handle_asynchronously
    def sing(self, song: str) -> None:
        recorder.note("Smaller.sing")
        super().sing(song)


class Plain(Choir):
    """Overrides without declaring."""

    def sing(self, song: str) -> None:
        recorder.note("Plain.sing")
        super().sing(song)

    @classmethod
    def count(cls) -> None:
        recorder.note("Plain.count")
        super().count()

    def _hum(self) -> None:
        recorder.note("Plain._hum")
        super()._hum()


class Explicit(Choir):
    """Calls its base by name."""

    @handle_asynchronously
    def sing(self, song: str) -> Job:
        recorder.note("Explicit.sing")
        return Choir.sing(self, song)


class AtOnce(Choir):
    """Wants the body of its base at once."""

    @handle_asynchronously
    def sing(self, song: str) -> None:
        recorder.note("AtOnce.sing")
        super().sing.without_delay(song)


class LoudAndSmall(Loud, Small):
    """Has two bodies before the last."""
