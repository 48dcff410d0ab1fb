"""An app whose jobs write orders in transactions of their own, and do odd things there."""

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import mongoengine
import pymongo
import pytest

from mongojobs import Job, Snooze, TransactionConflictError, TransactionError, current_job, job
from tests.support.fault_app import note

if "SAMPLE_URI" in os.environ:
    mongoengine.connect(host=os.environ["SAMPLE_URI"], uuidRepresentation="standard")


class Order(mongoengine.Document):
    number = mongoengine.IntField()

    meta = {"collection": "orders"}


def this_job() -> Job:
    running = current_job()
    assert running is not None
    return running


class Stock(mongoengine.Document):
    left = mongoengine.IntField()

    meta = {"collection": "stocks"}


def elsewhere(function: Callable[[], object]) -> None:
    """Call *function* outside of the transaction: in another thread, which takes no part in it."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@job
def follows(number: int) -> None:
    """Be enqueued by another job."""


@job
def orders(number: int) -> None:
    with this_job().transaction():
        Order(number=number).save()
        follows.delay(number)


@job
async def orders_from_a_loop(number: int) -> None:
    await asyncio.to_thread(this_job().in_transaction, lambda _session: Order(number=number).save())


@job(keep_result="1h")
def orders_with_a_result(number: int) -> tuple[str, int]:
    def order(_session: object) -> tuple[str, int]:
        Order(number=number).save()
        return "ordered", number

    return this_job().in_transaction(order)


@job(max_attempts=1)
def orders_and_fails(number: int, *, after: bool = False) -> None:
    with this_job().transaction():
        Order(number=number).save()
        follows.delay(number)
        if not after:
            raise ValueError("before the end of the block")
    raise ValueError("after the block")


@job
def orders_twice(number: int) -> None:
    with this_job().transaction():
        Order(number=number).save()
    with pytest.raises(TransactionError, match="has committed its transaction"), this_job().transaction():
        pass
    Order(number=-1).save()


@job
def meets_conflicts(number: int, times: int) -> None:
    """Take from a stock from which, the first *times*, somebody else takes too."""
    with this_job().transaction():
        Order(number=number).save()
        stock = Stock.objects.get()
        if this_job().releases < times:
            elsewhere(lambda: Stock.objects.update(inc__left=-1))
        stock.update(inc__left=-1)


class Tries:
    made = 0


@job
def retries_within(number: int, times: int) -> None:
    """Do the same by a function, which is called again."""

    def take(_session: object) -> str:
        Tries.made += 1
        Order(number=number).save()
        Stock.objects.get()
        if Tries.made <= times:
            elsewhere(lambda: Stock.objects.update(inc__left=-1))
        Stock.objects.update(inc__left=-1)
        return "taken"

    assert this_job().in_transaction(take) == "taken"


gate = threading.Event()
reached = threading.Event()


@job
def orders_slowly(number: int) -> None:
    with this_job().transaction():
        Order(number=number).save()
        reached.set()
        gate.wait(60)


@job
def orders_slowly_by_function(number: int) -> None:
    def order(_session: object) -> None:
        Order(number=number).save()
        reached.set()
        gate.wait(60)

    this_job().in_transaction(order)


@job(unique="number", on_duplicate="rerun")
def orders_by_key(number: int) -> None:
    if not Order.objects(number=number):
        elsewhere(lambda: orders_by_key.delay(number))
    with this_job().transaction():
        Order(number=number).save()


@job
def is_ended_by_the_server(number: int) -> None:
    with this_job().transaction() as session:
        Order(number=number).save()
        if not this_job().releases:
            elsewhere(lambda: session.client.admin.command("killSessions", [session.session_id]))


@job
def swallows_a_conflict(number: int) -> None:
    try:
        with this_job().transaction():
            Order(number=number).save()
            raise TransactionConflictError("for the test")
    except TransactionConflictError:
        Order(number=-number).save()


@job
def dies_in_its_transaction(ledger: str, number: int) -> None:
    """Die in the first run with everything written but the end."""
    note(ledger, f"run with {this_job().losses} losses")
    with this_job().transaction():
        Order(number=number).save()
        if not this_job().losses:
            os._exit(3)


@job
def dies_after_its_transaction(ledger: str, number: int) -> None:
    note(ledger, "run")
    with this_job().transaction():
        Order(number=number).save()
    os._exit(3)


@job(max_attempts=1)
def orders_in_a_coroutine(number: int) -> None:
    async def order(_session: object) -> None:
        Order(number=number).save()

    this_job().in_transaction(order)  # type: ignore[unused-coroutine]


@job
def does_a_step_in_its_transaction(number: int) -> None:
    with this_job().transaction(), this_job().step("order") as step:
        if step.todo:
            Order(number=number).save()
            step.done()


def meets_a_conflict() -> None:
    stock = Stock.objects.get()
    elsewhere(lambda: Stock.objects.update(inc__left=-1))
    stock.update(inc__left=-1)


@job
def snoozes_after_a_conflict() -> None:
    with this_job().transaction():
        try:
            meets_a_conflict()
        except mongoengine.OperationError:
            raise Snooze("1h")  # noqa: B904 - as people write it


@job(max_attempts=1)
def fails_after_a_conflict() -> None:
    try:
        with this_job().transaction():
            meets_a_conflict()
    except TransactionConflictError:
        with this_job().transaction():
            raise ValueError("of its own")  # noqa: B904 - as people write it


@job
def orders_in_time(number: int) -> None:
    with pymongo.timeout(0.5), this_job().transaction():
        Order(number=number).save()


@job
def orders_and_goes_on(number: int) -> None:
    with this_job().transaction():
        Order(number=number).save()
    reached.set()
    gate.wait(60)


@job(unique="number")
def is_called_again(number: int) -> None:
    """Be called again by somebody else, in the midst of the transaction."""
    with this_job().transaction():
        Order(number=number).save()
        elsewhere(lambda: is_called_again.delay(number))


@job(unique="number", on_duplicate="rerun")
def is_to_run_again(number: int) -> None:
    """The same, at each try of the first run."""
    is_first = not Order.objects(number=number)

    def order(_session: object) -> None:
        Tries.made += 1
        Order(number=number).save()
        if is_first:
            elsewhere(lambda: is_to_run_again.delay(number))

    this_job().in_transaction(order)


@job
@dataclass
class OrdersWithHooks:
    """Meets conflicts, and notes what its hooks hear."""

    number: int
    times: int

    def perform(self) -> None:
        with this_job().transaction():
            Order(number=self.number).save()
            if this_job().releases < self.times:
                meets_a_conflict()

    def error(self, _job: Job, error: Exception) -> None:
        heard.append(type(error).__name__)

    def after(self) -> None:
        heard.append("after")


heard: list[str] = []
"""What the hooks of a job heard."""


@job
def orders_with_the_session(number: int) -> None:
    with this_job().transaction() as session:
        Order._get_collection().insert_one({"number": number}, session=session)
        follows.delay(number)


@job
def orders_for_a_full_queue(number: int) -> None:
    with this_job().transaction():
        Order(number=number).save()
        follows.options(queue="narrow").delay(number)
        follows.options(queue="narrow").delay(number)


@job(max_attempts=1)
def orders_elsewhere(number: int) -> None:
    """Write through a client of its own."""
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(os.environ["ELSEWHERE"])
    with client as other, this_job().transaction():
        Order(number=number).save()
        other.get_default_database().orders.insert_one({"number": number})
