"""What the type checker knows about delayed methods and job classes; a wrong type here fails ``scripts/check``."""

from typing import Any, assert_type

from mongojobs import (
    Delayable,
    Job,
    Worker,
    adelay,
    aenqueue,
    current_job,
    default_app,
    handle_asynchronously,
    job,
)
from mongojobs.store.reader.pages import JobPage


class Band(Delayable):
    """Have methods that are delayed."""

    def play(self, song: str) -> bytes:
        """Be delayed by ``delay``."""
        return song.encode()

    @handle_asynchronously
    def tour(self, city: str) -> int:
        """Be stored when it is called."""
        return len(city)

    @handle_asynchronously(priority=5, queue=lambda band: f"of {band}")
    def record(self) -> list[str]:
        """Be declared with options, one of which is a function."""
        return []


@job(max_attempts=3)
class Letter:
    """Be a job object that is declared with options."""

    def perform(self) -> None:
        """Do nothing."""


band = Band()
assert_type(band.play("SOS"), bytes)
assert_type(band.delay.play("SOS"), Any)
assert_type(band.delay(queue="slow").play("SOS"), Any)
assert_type(Band.delay.play("SOS"), Any)
assert_type(band.tour("Rome"), Job)
assert_type(band.tour.delay("Rome"), Job)
assert_type(band.tour.without_delay("Rome"), int)
assert_type(band.record(), Job)
assert_type(band.record.without_delay(), list[str])
assert_type(Letter(), Letter)
assert_type(current_job(), Job | None)
assert_type(Worker(queues="mail").work_off(), tuple[int, int])
assert_type(Worker().start(), int)


async def in_an_event_loop() -> None:
    """Await the twins, and pass what does not fit."""
    assert_type(await band.adelay(queue="slow").play("SOS"), Any)
    assert_type(await adelay(band).play("SOS"), Any)
    assert_type(await band.tour.adelay("Rome"), Job)
    assert_type(await resize.adelay_many([("a",), ("b",)]), list[Job])
    assert_type(await aenqueue(Letter(), queue="slow"), Job)
    assert_type(await default_app().afind(limit=3), JobPage)
    assert_type(await default_app().aenqueue(Letter()), Job)
    await resize.adelay(3)  # type: ignore[arg-type]
    await aenqueue(Letter(), queue=3)  # type: ignore[arg-type]
    await default_app().afind(limit="3")  # type: ignore[arg-type]


@job
def resize(name: str) -> bytes:
    """Take typed arguments."""
    return name.encode()


@job(prioritty=3)  # type: ignore[call-overload, untyped-decorator]
def misdeclared() -> None:
    """Be declared with an unknown option."""


resize(3)  # type: ignore[arg-type]
resize.delay_many(["a"])  # type: ignore[list-item]
band.play(3)  # type: ignore[arg-type]
