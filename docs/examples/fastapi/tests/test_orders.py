"""From the request to the receipt."""

from uuid import uuid4

from mongojobs.testing import assert_enqueued, drain, enqueued_jobs, logged, mode

from shop.jobs import roast
from shop.orders import Coffee, Order

ORDER = {"customer": "Ann", "coffee": "Antigua", "bags": 2}


def test_an_order_waits_for_a_worker(client):
    answer = client.post("/orders", json=ORDER)

    assert (answer.status_code, answer.json()["state"]) == (202, "ready")
    assert_enqueued(roast, args=(Order(customer="Ann", coffee=Coffee.ANTIGUA, bags=2),))


def test_a_worker_roasts_it_and_writes_the_receipt(client):
    number = client.post("/orders", json=ORDER).json()["number"]
    [job] = enqueued_jobs()

    drain()

    told = client.get(f"/orders/{number}").json()
    assert told["receipt"] == {"text": "2 × Antigua for Ann", "total": "24.00"}
    assert (told["done"], told["of"]) == (2, 2)
    assert logged(job) == ["bag 1 is done", "bag 2 is done"]


def test_a_request_that_is_repeated_orders_once(client):
    headers = {"Idempotency-Key": str(uuid4())}

    first = client.post("/orders", json=ORDER, headers=headers)
    second = client.post("/orders", json=ORDER, headers=headers)

    assert first.json()["number"] == second.json()["number"]
    assert len(enqueued_jobs()) == 1


def test_an_order_is_cancelled_while_it_waits_and_not_afterwards(client):
    number = client.post("/orders", json=ORDER).json()["number"]

    assert client.delete(f"/orders/{number}").json()["state"] == "cancelled"
    assert client.delete(f"/orders/{number}").status_code == 409


def test_nothing_is_ordered_that_there_is_not(client):
    assert client.post("/orders", json={**ORDER, "coffee": "tea"}).status_code == 422
    assert client.get("/orders/7").status_code == 404


@mode("inline")
def test_a_price_is_worked_out_while_the_customer_waits(client):
    assert client.post("/quotes", json={**ORDER, "bags": 5}).json() == "54.00"
