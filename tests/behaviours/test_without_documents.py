"""For those who have PyMongo and no documents of MongoEngine: all works, and MongoEngine is asked for no connection."""

import mongoengine.connection
import pytest

import mongojobs
from mongojobs import JobFilter, delay, enqueue
from mongojobs.app.doctor.examine import examine
from tests.support import plain_orders
from tests.support.dashboard import Visitor
from tests.support.plain_orders import Invoice, Order, orders
from tests.support.schedules import code, tick
from tests.support.working import work_off


@pytest.fixture
def app(mongo_uri, clock, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError(f"MongoEngine was asked for a connection: {arguments} {options}")

    monkeypatch.setattr(mongoengine.connection, "get_connection", refuse)
    monkeypatch.setattr(mongoengine.connection, "get_db", refuse)
    app = mongojobs.configure(uri=mongo_uri, clock=clock, retry_jitter=0)
    app.create_indexes()
    plain_orders.databases.append(app.store.collection.database)
    plain_orders.given.clear()
    yield app
    plain_orders.databases.clear()
    app.close()
    mongojobs.configure()


@pytest.fixture
def order(app):
    orders().insert_one({"_id": 7, "total": 12})
    return Order({"_id": 7, "total": 0})


def test_jobs_of_every_kind_run_with_what_is_in_the_database(order):
    job = plain_orders.total.delay(order)
    plain_orders.look.delay(order)
    enqueue(Invoice(order))
    delay(order).pay("ann")

    assert work_off() == (4, 0)

    assert job.result(0) == 12
    assert plain_orders.given == [12, 12]
    assert orders().find_one()["paid_by"] == "ann"


def test_what_is_gone_lets_the_job_decide(app, order):
    job = plain_orders.total.delay(order)
    orders().delete_one({"_id": 7})

    work_off()

    assert app.get(job.id).state == "cancelled"


def test_a_job_goes_through_a_collection(order):
    plain_orders.add_up.delay()

    work_off()

    assert plain_orders.given == [12]


def test_transactions_are_those_of_pymongo(app, order):
    with app.store.collection.database.client.start_session() as session, session.start_transaction():
        orders().insert_one({"_id": 8, "total": 1}, session=session)
        plain_orders.pay_once.options(session=session).delay(order)

    assert work_off() == (1, 0)
    assert [found.get("payments") for found in orders().find().sort("_id")] == [1, None]


def test_schedules_tick(app, clock):
    with code():
        app.schedule("often", plain_orders.tick, every="10m")
        clock.advance(minutes=10)
        tick(app)

    work_off()

    assert plain_orders.given == ["tick"]


def test_people_see_and_find_the_jobs(app, order):
    job = plain_orders.total.delay(order)

    assert [found.id for found in app.find(JobFilter(arguments={"order": 7})).jobs] == [job.id]
    assert plain_orders.total.declaration.name in Visitor(app).text(f"/job?id={job.id}")
    assert {found.kind for found in examine(app, {}).findings if found.severity == "fault"} == {"clock", "no_worker"}
