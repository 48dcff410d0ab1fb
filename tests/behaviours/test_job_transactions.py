"""A job's own transaction: what it writes there and its end are stored together, or neither is."""

from datetime import UTC, datetime, timedelta

import mongoengine
import pytest

from mongojobs import JobFilter, NotRunError, StateError, StoreUnavailableError, enqueue, testing
from mongojobs.store import clients
from mongojobs.store.actions import job_actions
from mongojobs.store.time_limits import time_limit
from tests.support import sample_jobs, transacting_app
from tests.support.command_line import run
from tests.support.dashboard import a_running_job
from tests.support.failpoints import WRITE_CONCERN_ERROR, failing
from tests.support.mongod import Server, with_database
from tests.support.sessions import needs_bound_sessions
from tests.support.transacting_app import Order, OrdersWithHooks, Stock, Tries
from tests.support.waiting import eventually
from tests.support.working import work_off, working

pytestmark = needs_bound_sessions

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
APP = {"MONGOJOBS_APP": "tests.support.transacting_app"}


@pytest.fixture(autouse=True)
def _orders(app, connection, indexes):
    """A stock of ten, and nothing ordered."""
    Order(number=0).save()
    Order.objects.delete()
    Stock(left=10).save()
    Tries.made = 0
    transacting_app.gate.clear()
    transacting_app.reached.clear()
    transacting_app.heard.clear()


@pytest.fixture
def reconnected(configure, connection, mongo_uri):
    """Returns the app over another connection, with more options in its URI."""

    def reconnected(options):
        mongoengine.disconnect_all()
        mongoengine.connect(host=f"{mongo_uri}&{options}", uuidRepresentation="standard")
        return configure()

    return reconnected


def left():
    return Stock.objects.get().left


def numbers():
    return sorted(order.number for order in Order.objects)


def seconds_until_the_next_run(app, clock, job):
    """Run *job*, let as much time go by as it then has to wait, and return how much that was."""
    work_off()
    seconds = (app.get(job.id).run_at - clock.now()).total_seconds()
    clock.advance(seconds=seconds)
    return seconds


class TestATransaction:
    def test_stores_what_the_block_writes_and_enqueues_and_the_end_of_the_job(self, app):
        job = transacting_app.orders.delay(7)

        assert work_off(1) == (1, 0)
        assert numbers() == [7]
        assert app.get(job.id) is None
        assert [one.name for one in app.reader.find()] == ["tests.support.transacting_app.follows"]

    def test_in_an_async_job(self, app):
        transacting_app.orders_from_a_loop.delay(7)

        assert work_off() == (1, 0)
        assert numbers() == [7]

    def test_stores_nothing_if_the_block_fails(self, app):
        job = transacting_app.orders_and_fails.delay(7)

        assert work_off() == (0, 1)
        assert numbers() == []
        assert [(one.id, one.state, one.attempts) for one in app.reader.find()] == [(job.id, "failed", 1)]

    def test_is_stored_whatever_the_job_does_after_it(self, app, caplog):
        job = transacting_app.orders_and_fails.delay(7, after=True)

        assert work_off(1) == (1, 0)
        assert numbers() == [7]
        assert app.get(job.id) is None
        assert "after the block" in caplog.text

    def test_comes_once_a_run(self, app):
        transacting_app.orders_twice.delay(7)

        assert work_off() == (1, 0)
        assert numbers() == [-1, 7]

    def test_of_a_kept_job_stores_that_it_has_completed(self, configure):
        app = configure(keep_completed="1d")
        job = transacting_app.orders.delay(7)

        assert work_off(1) == (1, 0)
        assert app.get(job.id).state == "completed"
        assert app.get(job.id).took is not None
        assert app.get(job.id).lock_token is None

    def test_of_a_job_that_was_asked_for_again_makes_it_ready_for_that(self, app):
        job = transacting_app.orders_by_key.delay(7)

        assert work_off() == (2, 0)
        assert numbers() == [7, 7]
        assert app.get(job.id) is None

    def test_counts_and_is_told_as_any_other_end(self, configure, caplog):
        caplog.set_level("INFO")
        configure()
        job = transacting_app.orders.delay(7)

        work_off(1)

        assert f"Job tests.support.transacting_app.orders (id={job.id}) (queue=default) COMPLETED" in caplog.text

    def test_of_a_function_that_has_yet_to_be_awaited_is_undone(self, app):
        job = transacting_app.orders_in_a_coroutine.delay(7)

        assert work_off() == (0, 1)
        assert "returned a coroutine, which nothing awaits" in app.get(job.id).last_error

    def test_leaves_a_step_that_was_refused_in_it_to_be_done(self, app):
        job = transacting_app.does_a_step_in_its_transaction.delay(7)

        assert work_off(1) == (0, 1)
        assert "inside transaction() no step is done" in app.get(job.id).last_error
        assert app.get(job.id).steps == ()
        assert numbers() == []


class TestCodeAfterATransaction:
    def test_that_a_stop_does_not_wait_for_leaves_the_job_completed(self, configure, caplog):
        caplog.set_level("INFO")
        configure(clock=None, shutdown_timeout="100ms")
        with working():
            transacting_app.orders_and_goes_on.delay(7)
            assert transacting_app.reached.wait(30)
        transacting_app.gate.set()

        assert numbers() == [7]
        assert "COMPLETED" in caplog.text
        assert "HANDED BACK" not in caplog.text

    def test_that_is_beyond_its_time_and_deaf_leaves_the_job_completed(self, configure, caplog):
        caplog.set_level("INFO")
        configure(clock=None, shutdown_timeout="100ms", max_run_time="1s", timeout_grace="100ms")
        with working() as shift:
            transacting_app.orders_and_goes_on.delay(7)
            shift.join(30)
        transacting_app.gate.set()

        assert numbers() == [7]
        assert "did not return after its timeout" in caplog.text
        assert "COMPLETED" in caplog.text
        assert "is no longer ours" not in caplog.text


class TestAKeptResult:
    def test_is_what_the_function_returned(self, app):
        job = transacting_app.orders_with_a_result.delay(7)

        assert work_off(1) == (1, 0)
        assert job.result(0) == ("ordered", 7)
        assert numbers() == [7]

    @pytest.mark.parametrize("executor", ["thread", "process"])
    def test_that_is_too_large_is_said_to_be_lost(self, configure, environ, executor):
        app = configure(clock=None)
        job = transacting_app.orders_with_a_result.delay(7)

        ended = run(
            *("workoff", f"--executor={executor}"),
            environ=environ | APP | {"MONGOJOBS_MAX_RESULT_BYTES": "10"},
        )

        assert "has LOST its result: " in ended.stdout + ended.stderr
        assert app.get(job.id).state == "completed"

    def test_is_none_of_a_block(self, app):
        job = transacting_app.orders.options(keep_result="1h").delay(7)

        work_off(1)

        assert "use in_transaction(function)" in app.get(job.id).last_error
        assert numbers() == []


class TestAConflict:
    def test_puts_the_job_back_and_counts_no_attempt(self, app, clock):
        job = transacting_app.meets_conflicts.delay(7, times=1)

        assert work_off() == (0, 0)
        after = app.get(job.id)
        assert (numbers(), left()) == ([], 9)
        assert (after.state, after.attempts, after.releases) == ("ready", 0, 1)

        clock.advance(seconds=1)
        assert work_off() == (1, 0)
        assert (numbers(), left()) == ([7], 8)
        assert app.get(job.id) is None

    def test_that_comes_again_and_again_is_given_the_minute_that_a_lost_transaction_may_last(self, app, clock):
        job = transacting_app.meets_conflicts.delay(7, times=99)

        waited = [seconds_until_the_next_run(app, clock, job) for _ in range(app.settings.max_releases - 1)]

        assert waited[0] <= 0.2
        assert max(waited) < 15
        assert sum(waited) > 60
        assert app.get(job.id).attempts == 0

    def test_is_said_in_the_log(self, app, caplog):
        caplog.set_level("INFO")
        transacting_app.meets_conflicts.delay(7, times=1)

        work_off()

        assert "is UNDONE and will run again in" in caplog.text

    def test_counts_as_a_failure_once_the_job_was_put_back_too_often(self, configure, clock):
        app = configure(max_releases=2)
        job = transacting_app.meets_conflicts.delay(7, times=9)
        work_off()
        clock.advance(seconds=1)

        assert work_off() == (0, 1)
        assert (app.get(job.id).releases, app.get(job.id).attempts) == (1, 1)
        assert "the transaction is undone" in app.get(job.id).last_error

    def test_of_a_function_calls_it_again(self, app):
        transacting_app.retries_within.delay(7, times=2)

        assert work_off() == (1, 0)
        assert Tries.made == 3
        assert (numbers(), left()) == ([7], 7)

    def test_of_a_function_that_does_not_end_puts_the_job_back(self, app):
        job = transacting_app.retries_within.delay(7, times=99)

        assert work_off() == (0, 0)
        assert (Tries.made, numbers()) == (5, [])
        assert app.get(job.id).releases == 1

    def test_over_which_the_job_snoozes_lets_it_snooze(self, app):
        job = transacting_app.snoozes_after_a_conflict.delay()

        assert work_off() == (0, 0)
        assert (app.get(job.id).snoozes, app.get(job.id).releases) == (1, 0)

    def test_is_not_seen_in_an_error_of_another_transaction(self, app):
        job = transacting_app.fails_after_a_conflict.delay()

        assert work_off() == (0, 1)
        assert app.get(job.id).last_error.startswith("ValueError: of its own")

    def test_that_the_job_swallows_leaves_it_to_go_on_as_any_job(self, app):
        job = transacting_app.swallows_a_conflict.delay(7)

        assert work_off() == (1, 0)
        assert numbers() == [-7]
        assert app.get(job.id) is None


class TestACallThatComesMeanwhile:
    def test_and_is_dropped_leaves_the_transaction_alone(self, app):
        job = transacting_app.is_called_again.delay(7)

        assert work_off() == (1, 0)
        assert numbers() == [7]
        assert app.get(job.id) is None

    def test_and_is_to_be_run_undoes_it_once_however_often_it_comes(self, app):
        job = transacting_app.is_to_run_again.delay(7)

        assert work_off() == (2, 0)
        assert Tries.made == 3
        assert numbers() == [7, 7]
        assert app.get(job.id) is None


class TestTheHooks:
    def test_hear_nothing_of_a_conflict_after_which_the_job_just_runs_again(self, app):
        enqueue(OrdersWithHooks(7, times=1))

        assert work_off() == (0, 0)
        assert transacting_app.heard == ["after"]

    def test_hear_of_one_that_counts_as_a_failure(self, configure):
        configure(max_releases=1)
        enqueue(OrdersWithHooks(7, times=1))

        assert work_off() == (0, 1)
        assert transacting_app.heard == ["TransactionConflictError", "after"]


class TestTheEnqueues:
    def test_are_counted_by_a_queue_of_limited_size(self, configure):
        app = configure(queue_attributes={"narrow": {"max_size": 1}})
        job = transacting_app.orders_for_a_full_queue.delay(7)

        assert work_off() == (0, 1)
        assert "has no room for 1 more" in app.get(job.id).last_error
        assert numbers() == []
        assert app.count(JobFilter(queue="narrow")).number == 0

    @pytest.mark.filterwarnings("ignore:write_concern is 1")
    def test_take_part_whatever_the_write_concern_of_the_queue(self, configure):
        app = configure(write_concern=1)
        transacting_app.orders.delay(7)

        assert work_off(1) == (1, 0)
        assert numbers() == [7]
        assert [one.name for one in app.reader.find()] == ["tests.support.transacting_app.follows"]


class TestADocumentWhoseEndIsWrittenAndNotCommitted:
    """A worker has died or hangs just then: the document is locked until the server undoes the transaction."""

    @pytest.fixture
    def ending(self, app):
        """A running job whose end is written in a transaction."""
        app.store.insert(job := a_running_job(locked_until=app.store.clock.now() + timedelta(minutes=1)))
        with app.store.queries.client.start_session() as session, session.start_transaction():
            clients.transaction_handle(app.store.collection).delete_one({"_id": job.id}, session=session)
            yield job
            session.abort_transaction()

    def test_can_be_cancelled_later_after_a_bounded_time(self, app, ending, monkeypatch):
        monkeypatch.setattr(job_actions, "LONGEST_WAIT_MILLISECONDS", 200)

        with pytest.raises(StoreUnavailableError, match="is about to end in a transaction of its own, and its worker"):
            app.cancel(ending.id, running=True)

    def test_holds_up_no_rescue(self, app, ending):
        app.store.insert(lost := a_running_job(locked_until=LONG_AGO))

        with time_limit(5):
            rescued = app.store.rescue(by="ada")

        assert [one.job_id for one in rescued] == [lost.id]


class TestTheLock:
    def test_is_left_alone_during_the_transaction_while_others_are_renewed(self, configure):
        app = configure(clock=None, lease="10s", heartbeat="1s")
        waiting = sample_jobs.waits_at_the_gate.delay()
        with working(threads=2):
            job = transacting_app.orders_slowly.delay(7)
            assert transacting_app.reached.wait(30)
            first = app.get(job.id).locked_until
            others = app.get(waiting.id).locked_until
            eventually(lambda: app.get(waiting.id).locked_until > others)
            assert app.get(job.id).locked_until == first
            assert first - app.store.clock.now() > timedelta(seconds=55)

            transacting_app.gate.set()
            eventually(lambda: app.get(job.id) is None)
            sample_jobs.gate.set()

        assert numbers() == [7]

    def test_that_was_lost_undoes_the_transaction(self, app, caplog):
        with working():
            job = transacting_app.orders_slowly.delay(7)
            assert transacting_app.reached.wait(30)
            taken = {"$set": {"state": "ready", "run_at": app.store.clock.now() + timedelta(days=1)}}
            unlocked = {"$unset": dict.fromkeys(("locked_at", "locked_by", "locked_until", "lock_token"), "")}
            app.store.collection.update_one({"_id": job.id}, taken | unlocked)
            transacting_app.gate.set()
            eventually(lambda: "is no longer ours" in caplog.text)

        assert numbers() == []
        assert app.get(job.id).state == "ready"

    @pytest.mark.parametrize("job", [transacting_app.orders_slowly, transacting_app.orders_slowly_by_function])
    def test_of_a_job_that_is_cancelled_meanwhile_undoes_the_transaction(self, app, job):
        with working():
            running = job.delay(7)
            assert transacting_app.reached.wait(30)
            app.cancel(running.id, running=True, why="wrong order")
            transacting_app.gate.set()
            eventually(lambda: app.get(running.id).state == "cancelled")

        assert numbers() == []
        assert app.get(running.id).cancellation["why"] == "wrong order"


class TestACommit:
    @pytest.mark.parametrize("how", [{"closeConnection": True}, {"writeConcernError": WRITE_CONCERN_ERROR}])
    def test_without_an_answer_is_asked_for_again(self, app, administrator, how):
        transacting_app.orders.delay(7)

        with failing(administrator, "commitTransaction", times=2, **how):
            assert work_off(1) == (1, 0)

        assert numbers() == [7]
        assert [one.name for one in app.reader.find()] == ["tests.support.transacting_app.follows"]

    def test_goes_beyond_a_time_limit_of_the_job(self, app, administrator):
        transacting_app.orders_in_time.delay(7)

        with failing(administrator, "commitTransaction", times=1, blockConnection=True, blockTimeMS=1000):
            assert work_off(1) == (1, 0)

        assert numbers() == [7]

    def test_is_waited_for_by_a_time_limit_that_comes_meanwhile(self, app, administrator, caplog):
        with failing(administrator, "commitTransaction", times=1, blockConnection=True, blockTimeMS=1500), working():
            transacting_app.orders_from_a_loop.options(max_run_time="1s").delay(7)
            eventually(lambda: numbers() == [7])
            eventually(lambda: "after its transaction was stored" in caplog.text)

        assert "TIMED OUT" in caplog.text
        assert "is no longer ours" not in caplog.text

    def test_of_what_the_server_has_undone_puts_the_job_back(self, app, clock):
        job = transacting_app.is_ended_by_the_server.delay(7)

        assert work_off() == (0, 0)
        assert numbers() == []
        assert (app.get(job.id).state, app.get(job.id).releases) == ("ready", 1)

        clock.advance(seconds=1)
        assert work_off() == (1, 0)
        assert numbers() == [7]


class TestAChildProcess:
    @pytest.fixture
    def work(self, environ):
        return lambda *flags, **more: run("workoff", "--executor=process", *flags, environ=environ | APP | more)

    def test_has_transactions_too(self, configure, work):
        app = configure(clock=None)
        transacting_app.orders.delay(7)
        failing_job = transacting_app.orders_and_fails.delay(8)
        transacting_app.orders_and_fails.delay(9, after=True)

        ended = work()

        assert ended.returncode == 0, ended.stderr
        assert numbers() == [7, 9]
        assert [(one.id, one.state) for one in app.reader.find()] == [(failing_job.id, "failed")]

    def test_meets_conflicts_too(self, configure, work):
        app = configure(clock=None)
        transacting_app.meets_conflicts.delay(7, times=1)

        eventually(lambda: work() and app.reader.find() == [])

        assert (numbers(), left()) == ([7], 8)

    def test_that_dies_leaves_nothing_of_its_transaction(self, configure, work, tmp_path, administrator):
        app = configure(clock=None)
        (tmp_path / "ledger").touch()
        transacting_app.dies_in_its_transaction.delay(str(tmp_path / "ledger"), 7)

        eventually(lambda: work() and app.reader.find() == [])

        assert numbers() == [7]
        assert (tmp_path / "ledger").read_text() == "run with 0 losses\nrun with 1 losses\n"
        administrator.admin.command("killAllSessions", [])  # else it lasts a minute, and the database as long

    def test_that_dies_after_its_transaction_has_done_its_job(self, configure, work, tmp_path):
        app = configure(clock=None)
        (tmp_path / "ledger").touch()
        transacting_app.dies_after_its_transaction.delay(str(tmp_path / "ledger"), 7)

        ended = work()

        assert "COMPLETED" in ended.stdout + ended.stderr
        assert (numbers(), app.reader.find()) == ([7], [])
        assert (tmp_path / "ledger").read_text() == "run\n"


class TestWithoutATransaction:
    def test_a_server_that_stands_alone_is_named_with_the_remedy(self, configure, connection):
        mongoengine.disconnect_all()
        with Server(replica_set=0, quick=True) as alone:
            mongoengine.connect(host=with_database(alone.uri, "alone"), uuidRepresentation="standard")
            app = configure()
            job = transacting_app.orders.delay(7)
            work_off()

            assert "this MongoDB server has no transactions, as it stands alone" in app.get(job.id).last_error
            mongoengine.disconnect_all()  # while the server is there to be told, for which it waits 30 s

    def test_a_write_concern_of_the_app_is_named_with_the_remedy(self, reconnected):
        app = reconnected("w=majority")
        job = transacting_app.orders.delay(7)

        work_off()

        assert "(w, journal or wTimeoutMS in its URI or beside it)" in app.get(job.id).last_error
        assert numbers() == []

    def test_a_write_concern_of_the_app_is_no_matter_to_what_is_given_the_session(self, reconnected):
        app = reconnected("w=majority&journal=true")
        transacting_app.orders_with_the_session.delay(7)

        assert work_off(1) == (1, 0)
        assert numbers() == [7]
        assert [one.name for one in app.reader.find()] == ["tests.support.transacting_app.follows"]

    def test_a_connection_that_asks_for_no_answers_is_refused(self, reconnected):
        app = reconnected("w=0")
        job = transacting_app.orders_with_the_session.delay(7)

        work_off()

        assert "leave w=0 out of its URI" in app.get(job.id).last_error

    def test_another_client_writes_nothing_in_the_block(self, app, connection, mongo_uri, monkeypatch):
        monkeypatch.setenv("ELSEWHERE", mongo_uri)
        job = transacting_app.orders_elsewhere.delay(7)

        assert work_off() == (0, 1)
        assert "Only the client that created the bound session" in app.get(job.id).last_error
        assert numbers() == []

    def test_outside_of_its_job_there_is_none(self, app):
        job = transacting_app.orders.delay(7)

        with pytest.raises(StateError, match="not running here"):
            job.transaction()
        with pytest.raises(StateError, match="not running here"):
            job.in_transaction(lambda _session: None)

    def test_inline_the_block_just_runs(self, app):
        with testing.mode("inline"):
            transacting_app.orders.delay(7)

        assert numbers() == [7]

    def test_in_a_fake_queue_the_block_just_runs(self, app):
        with testing.mode("fake"):
            transacting_app.orders.delay(7)
            testing.drain()

        assert numbers() == [7]

    def test_in_a_fake_queue_a_function_that_has_yet_to_be_awaited_is_refused_too(self, app):
        with testing.mode("fake"):
            transacting_app.orders_in_a_coroutine.delay(7)
            with pytest.raises(NotRunError, match="returned a coroutine"):
                testing.drain()
