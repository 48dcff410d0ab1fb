"""From the form to the receipt."""

from datetime import UTC, datetime, timedelta

from mongojobs.testing import assert_enqueued, drain, enqueued_jobs, perform

from shop.orders import SHELF, Order, Tea, forget_old_orders, restock, send_receipt


def order(client, **form):
    return client.post("/orders", data={"customer": "Ann", "tea": "Sencha", "packets": "2", **form})


def test_an_order_waits_for_a_worker(client):
    page = client.get(order(client).location).text

    assert "waiting" in page
    assert [job.name for job in enqueued_jobs()] == ["Order#pack"]


def test_a_worker_packs_it_and_writes_the_receipt(client):
    address = order(client).location

    drain()

    assert "Thank you, Ann!" in client.get(address).text


def test_the_receipt_is_sent_by_another_queue(client):
    order(client)
    drain(queue="default")

    assert_enqueued(send_receipt, args=(Order.objects.get(),), queue="mail")


def test_many_orders_restock_the_shelf_once(client):
    Tea(name="Sencha", sold=SHELF - 1).save()
    order(client)
    order(client)
    first, second = enqueued_jobs()
    perform(first)
    perform(second)

    assert_enqueued(restock, times=1)
    drain()
    assert Tea.objects.get().sold == 0


def test_nothing_is_ordered_that_there_is_not(client):
    assert order(client, tea="Coffee").status_code == 400
    assert enqueued_jobs() == []


def test_old_orders_are_forgotten(app):
    old = datetime.now(UTC) - timedelta(days=366)
    Order(customer="Ann", tea="Sencha", packets=1, placed_at=old).save()

    forget_old_orders()

    assert not Order.objects
