"""An app that has nothing but PyMongo: orders are documents of a collection, and objects of a class of its own."""

from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database

from mongojobs import current_job, job, register_reference

given: list[Any] = []
databases: list[Database[Any]] = []


def orders() -> Collection[Any]:
    return databases[-1]["orders"]


class Order:
    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    def pay(self, by: str) -> None:
        orders().update_one({"_id": self.fields["_id"]}, {"$set": {"paid_by": by}})


register_reference(Order, lambda order: order.fields.get("_id"), lambda cls, key: _found(orders().find_one(key)))


def _found(fields: dict[str, Any] | None) -> Order | None:
    return None if fields is None else Order(fields)


@job(keep_result="1d", on_missing="discard")
def total(order: Order) -> int:
    return int(order.fields["total"])


@job
async def look(order: Order) -> None:
    given.append(order.fields["total"])


@job
@dataclass
class Invoice:
    order: Order

    def perform(self) -> None:
        given.append(self.order.fields["total"])


@job
def add_up() -> None:
    this = current_job()
    assert this is not None
    given.append(sum(fields["total"] for fields in this.each(orders())))


@job
def pay_once(order: Order) -> None:
    this = current_job()
    assert this is not None
    with this.transaction() as session:
        orders().update_one({"_id": order.fields["_id"]}, {"$inc": {"payments": 1}}, session=session)


@job
def tick() -> None:
    given.append("tick")
