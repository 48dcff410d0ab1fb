"""What is ordered and what comes of it: jobs are given these models as they are, and return them."""

from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, Field


class Coffee(StrEnum):
    """What there is to have."""

    YIRGACHEFFE = "Yirgacheffe"
    ANTIGUA = "Antigua"
    MANDHELING = "Mandheling"


PRICES = {Coffee.YIRGACHEFFE: Decimal("14.50"), Coffee.ANTIGUA: Decimal("12.00"), Coffee.MANDHELING: Decimal("11.20")}


class Order(BaseModel):
    """What somebody wants."""

    customer: str = Field(min_length=1, max_length=80)
    coffee: Coffee
    bags: int = Field(ge=1, le=10)


class Receipt(BaseModel):
    """What they get."""

    text: str
    total: Decimal


class Progress(BaseModel):
    """How far an order is."""

    number: str
    state: str
    done: float = 0
    of: float | None = None
    note: str = ""
    receipt: Receipt | None = None
