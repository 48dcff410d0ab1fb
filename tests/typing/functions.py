"""What the type checker knows about job functions; a wrong type here fails ``scripts/check``."""

from dataclasses import dataclass
from typing import Any, assert_type

from mongojobs import Job, default_app, delay, enqueue, job


@job
def resize(name: str, *, width: int = 100) -> bytes:
    """Take typed arguments."""
    return name.encode() * width


@job(queue="mail", retry_on=OSError)
def send(order_id: int) -> None:
    """Be declared with options."""


@job
async def fetch(url: str) -> int:
    """Be asynchronous."""
    return len(url)


@job
@dataclass
class Letter:
    """Be a job object."""

    text: str

    def perform(self) -> None:
        """Do nothing."""


assert_type(resize("a", width=3), bytes)
assert_type(resize.delay("a", width=3), Job)
assert_type(resize.options(run_in=3, queue="x").delay("a"), Job)
assert_type(resize.delay_many([("a",), ("b",)]), list[Job])
assert_type(send.delay(1), Job)
assert_type(fetch.delay("u"), Job)
assert_type(Letter("x"), Letter)
assert_type(enqueue(Letter("x"), priority=1), Job)
assert_type(default_app().schedule_of("x").edit(ends=None, queue=None).job_name, str)
assert_type(delay(Letter("x"), priority=1).anything(), Any)


async def in_an_event_loop() -> None:
    """Await what is awaitable."""
    assert_type(await resize.adelay("a"), Job)
    assert_type(await fetch("u"), int)


resize.delay(3)  # type: ignore[arg-type]
resize.delay()  # type: ignore[call-arg]
resize.delay("a", height=3)  # type: ignore[call-arg]
resize.options(wdith=3)  # type: ignore[call-arg]
resize.options(queue=3)  # type: ignore[arg-type]
send.delay("1")  # type: ignore[arg-type]
send.options(run_in=3).delay("1")  # type: ignore[arg-type]
enqueue(Letter("x"), prioritty=1)  # type: ignore[call-arg]
default_app().schedule_of("x").edit(ends="soon")  # type: ignore[arg-type]
