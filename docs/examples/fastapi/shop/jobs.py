"""The jobs. The worker imports this module, and so nothing of the site; the database is that of ``MONGODB_URI``."""

import asyncio
import os
from decimal import Decimal

import mongojobs
from mongojobs import current_job, job

from shop.orders import PRICES, Order, Receipt

ROASTING_SECONDS = float(os.environ.get("ROASTING_SECONDS", "1.5"))

mongojobs.configure(heartbeat=1)  # so often those who wait are told how far an order is


@job(keep_result="1d", keep_log="16k")
async def roast(order: Order) -> Receipt:
    """Roast bag by bag. While one is in the oven, the same worker sees to other orders."""
    running = current_job()
    for bag in range(order.bags):
        running.set_progress(bag, of=order.bags, note=f"bag {bag + 1} is in the oven")
        await asyncio.sleep(ROASTING_SECONDS)
        running.log.info("bag %d is done", bag + 1)
    running.set_progress(order.bags, of=order.bags)
    text = f"{order.bags} × {order.coffee} for {order.customer}"
    return Receipt(text=text, total=price(order))


@job(queue="quotes", priority=-10, keep_result="10m")
def quote(order: Order) -> Decimal:
    """Return what it would cost: asked while a customer waits, so it comes first."""
    return price(order)


def price(order: Order) -> Decimal:
    """Return the price, less a tenth from five bags on."""
    total = PRICES[order.coffee] * order.bags
    return (total * Decimal("0.9") if order.bags >= 5 else total).quantize(Decimal("0.01"))
