"""What the type checker knows about delayed methods and job classes; a wrong type here fails ``scripts/check``."""

from typing import Any, assert_type

from mongojobs import Delayable, Job, Worker, current_job, handle_asynchronously, job


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
    """Pass what does not fit."""
    await resize.adelay(3)  # type: ignore[arg-type]


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
