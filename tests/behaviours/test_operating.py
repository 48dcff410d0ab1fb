"""What people do with jobs, queues and workers through the app, on a real server with real workers."""

from datetime import timedelta

import pytest
from bson import Code, ObjectId

import mongojobs
from mongojobs import FilterError, JobFilter, OptionError, StateError, job
from mongojobs.core.job_filter import LONGEST_ERROR_TEXT, MOST_ARGUMENTS
from mongojobs.store.workers import WorkerStatus
from tests.security.test_injection import HOSTILE
from tests.support.clock import START, HeldClock
from tests.support.jobs import a_job
from tests.support.waiting import eventually
from tests.support.working import work_off, working


@job
def greets(name: str) -> str:
    return f"hello {name}"


@job(max_attempts=1)
def breaks(name: str) -> None:
    raise LookupError(f"no {name}")


@pytest.fixture
def clock():
    return HeldClock()


@pytest.fixture
def app(connection, clock, indexes):
    """The default app on a clock that stands still."""
    app = mongojobs.configure(clock=clock)
    yield app
    mongojobs.configure()


@pytest.fixture
def live(connection):
    """The default app on the server's clock, for workers."""
    app = mongojobs.configure(lease=4, heartbeat=0.2, sleep_delay=0.5)
    app.create_indexes()
    yield app
    mongojobs.configure()


def a_worker(app, **changes):
    """Say that a worker is alive."""
    facts = {"name": "w", "host": "h", "pid": 1, "started_at": START, "queues": (), "threads": 1, "busy": 0}
    app.worker_store.beat(WorkerStatus(**{**facts, "version": "1"} | changes))


def a_busy_worker(app, **changes):
    """Let a worker be alive that runs a job."""
    a_worker(app, busy=1, **changes)
    lock = {"locked_by": "w", "locked_at": START, "locked_until": START + timedelta(minutes=1), "lock_token": "t"}
    app.store.insert(a_job(state="running", **lock))


def kinds(app, job_id):
    return [reason.kind for reason in app.why(job_id)]


class TestWhy:
    def test_names_the_pause_with_its_end_and_reason_and_the_remedy(self, app, clock):
        made = greets.options(queue="mail").delay("Ada")
        app.pause("mail", until=clock.now() + timedelta(hours=1), reason="the provider is down")
        a_worker(app)

        [reason] = app.why(made.id)

        assert (reason.kind, reason.remedy) == ("paused", "mongojobs queues resume mail")
        assert "until 2030-01-01 13:00:00 UTC: the provider is down" in reason.text

    def test_knows_that_no_worker_is_alive(self, app):
        assert kinds(app, greets.delay("Ada").id) == ["no_worker"]

    @pytest.mark.parametrize("listens", [{"queues": ("sms",)}, {"max_priority": -1}, {"min_priority": 1}])
    def test_knows_that_no_worker_takes_the_queue_or_the_priority(self, app, listens):
        made = greets.delay("Ada")
        a_worker(app, **listens)

        assert kinds(app, made.id) == ["no_worker"]

    def test_knows_that_all_workers_are_quiet(self, app):
        made = greets.delay("Ada")
        a_worker(app, state="quiet")

        assert kinds(app, made.id) == ["quiet_workers"]

    def test_says_when_it_is_due_and_after_what_failure(self, app):
        a_worker(app)
        made = greets.options(run_in=60).delay("Ada")
        app.store.collection.update_one({"_id": made.id}, {"$set": {"attempts": 2, "last_error": "KeyError: 1\ntrace"}})

        [reason] = app.why(made.id)

        assert reason.kind == "not_due"
        assert reason.text == "it is not due until 2030-01-01 12:01:00 UTC, as it has failed 2 times: KeyError: 1"

    def test_says_until_when_it_must_have_started(self, app):
        a_worker(app)
        made = greets.options(expires_in=60).delay("Ada")

        [reason, _next] = app.why(made.id)

        assert reason.kind == "expires"
        assert reason.text.startswith("it expires at 2030-01-01 12:01:00 UTC: unless it has started by then")

    def test_says_that_it_has_expired(self, app, clock):
        a_worker(app)
        made = greets.options(expires_in=60).delay("Ada")
        clock.advance(seconds=61)

        expired = {reason.kind: reason.text for reason in app.why(made.id)}["expires"]

        assert expired.startswith("it expired at 2030-01-01 12:01:00 UTC: the next worker that takes it cancels it")

    def test_counts_the_jobs_that_come_before(self, app):
        a_worker(app)
        greets.options(priority=-1).delay_many([("Bob",), ("Cy",)])
        made = greets.delay("Ada")

        [reason] = app.why(made.id)

        assert (reason.kind, reason.text) == ("behind", "2 due jobs of the queue default come before it")

    def test_knows_that_the_code_has_no_such_job(self, app):
        a_worker(app)
        made = greets.delay("Ada")
        app.store.collection.update_one({"_id": made.id}, {"$set": {"handler.target": "gone.job"}})

        [unknown, _next] = app.why(made.id)

        assert (unknown.kind, "no job is registered under the name 'gone.job'" in unknown.text) == ("unknown_job", True)

    def test_tells_lost_workers_and_missing_indexes_last(self, app):
        a_worker(app)
        made = greets.delay("Ada")
        app.store.collection.update_one({"_id": made.id}, {"$set": {"losses": 2}})
        app.store.collection.drop_index("ready")

        assert kinds(app, made.id) == ["losses", "indexes_missing", "next"]

    @pytest.mark.parametrize("others", [{}, {"alone": True}])
    def test_knows_that_a_job_that_lost_its_workers_waits_for_one_that_runs_nothing(self, app, others):
        a_busy_worker(app, threads=4, **others)
        made = greets.delay("Ada")
        app.store.collection.update_one({"_id": made.id}, {"$set": {"losses": 2}})

        [losses, alone] = app.why(made.id)

        assert (losses.kind, alone.kind) == ("losses", "alone")
        assert "so it only starts where nothing else is running" in losses.text
        assert alone.text.startswith("it is due and next in its queue, and is waiting for an idle worker")

    def test_knows_that_workers_begin_nothing_beside_a_job_that_lost_its_workers(self, app):
        a_busy_worker(app, threads=4, alone=True)
        a_worker(app, name="of others", queues=("another",), threads=4)
        made = greets.delay("Ada")

        [reason] = app.why(made.id)

        assert reason.kind == "next"
        assert reason.text.endswith("the workers start nothing alongside a job that lost its workers")

    def test_does_not_count_on_workers_that_do_not_take_the_job(self, app):
        a_busy_worker(app)
        a_worker(app, name="quiet", state="quiet")
        a_worker(app, name="of others", queues=("another",))

        [reason] = app.why(greets.delay("Ada").id)

        assert (reason.kind, reason.remedy) == ("next", "start more workers")

    def test_says_who_runs_it_since_when_and_until_when(self, app, clock):
        made = greets.delay("Ada")
        lock = {
            "state": "running",
            "locked_by": "ada",
            "locked_at": START,
            "locked_until": START + timedelta(minutes=1),
        }
        app.store.collection.update_one({"_id": made.id}, {"$set": {**lock, "lock_token": "t"}})

        [running] = app.why(made.id)
        clock.advance(minutes=3)
        [lost] = app.why(made.id)

        assert running.text == (
            "it is being run since 2030-01-01 12:00:00 UTC by ada, whose lock lasts until 2030-01-01 12:01:00 UTC"
            " unless renewed"
        )
        assert (lost.kind, "ran out 2m ago" in lost.text) == ("worker_lost", True)

    def test_says_why_it_was_given_up_cancelled_or_is_done(self, app):
        failed, cancelled = breaks.delay("one"), greets.delay("Ada")
        app.cancel(cancelled.id)
        done = greets.options(job_id="done").delay("Ada")
        work_off()

        assert "after it failed once" in app.why(failed.id)[0].text
        assert "LookupError: no one" in app.why(failed.id)[0].text
        assert kinds(app, cancelled.id) == ["cancelled"]
        assert kinds(app, done.id) == ["completed"]

    def test_says_who_has_asked_a_running_job_to_end(self, app):
        a_busy_worker(app)
        [running] = app.find()

        app.cancel(running.id, running=True, by="ann", why="wrong file")

        asked, _ = app.why(running.id)
        assert asked.kind == "cancelling"
        assert asked.text.startswith("it was asked to end at 2030-01-01 12:00:00 UTC by ann: wrong file")

    def test_says_who_has_cancelled_a_job(self, app):
        job = greets.delay("Ada")

        app.cancel(job.id, by="ann", why="wrong file")

        assert app.why(job.id)[0].text == "it was cancelled at 2030-01-01 12:00:00 UTC by ann: wrong file"

    def test_of_no_job_is_refused(self, app):
        with pytest.raises(StateError, match="no job 1"):
            app.why(1)


class TestLatency:
    def test_is_how_long_the_oldest_due_job_has_waited(self, app, clock):
        greets.options(queue="mail").delay("Ada")
        clock.advance(seconds=30)
        greets.options(queue="mail", priority=-9).delay("Bob")
        greets.options(queue="later", run_in=60).delay("Cy")
        greets.options(queue="asleep").delay("Di")
        app.pause("asleep")
        clock.advance(seconds=12)

        assert app.latency() == {
            "mail": timedelta(seconds=42),
            "later": timedelta(0),
            "asleep": timedelta(0),
        }

    def test_is_shown_beside_the_sizes_of_the_queues(self, app, clock):
        greets.options(queue="mail").delay("Ada")
        app.pause("asleep", reason="why not")
        clock.advance(seconds=3)

        [asleep, mail] = app.queues()

        assert (mail.queue, mail.latency, mail.counts.ready.number) == ("mail", timedelta(seconds=3), 1)
        assert (asleep.queue, asleep.pause.reason, asleep.counts.ready.number) == ("asleep", "why not", 0)


class TestWorkers:
    def test_show_what_they_run_and_what_they_are(self, live):
        with working(name="ada", queues=["mail"], max_priority=3):
            eventually(lambda: [one.name for one in live.workers()] == ["ada"])
            [worker] = live.workers()

        assert (worker.queues, worker.max_priority, worker.state) == (("mail",), 3, "working")
        assert worker.memory_bytes > 1_000_000
        assert live.workers() == []

    def test_that_are_told_to_be_quiet_reserve_no_more(self, live):
        with working(name="ada") as shift, working(name="bob"):
            eventually(lambda: len(live.workers()) == 2)

            assert live.quiet_workers(["ada", "nobody"]) == ["ada"]

            eventually(lambda: {one.name: one.state for one in live.workers()} == {"ada": "quiet", "bob": "working"})
            assert shift.is_alive()

    @pytest.mark.parametrize("names", [[None], [""], ["ada", 0]])
    def test_are_told_nothing_by_what_is_not_a_name(self, app, names):
        with pytest.raises(OptionError, match="names must be a list of worker names"):
            app.stop_workers(names)

    def test_that_are_told_to_stop_do_and_say_goodbye(self, live):
        with working(name="ada") as shift:
            eventually(lambda: len(live.workers()) == 1)

            assert live.stop_workers() == ["ada"]

            eventually(lambda: not shift.is_alive())
        assert shift.status == 0
        assert live.workers() == []

    def test_do_not_obey_what_a_namesake_was_told(self, app, clock):
        a_worker(app)
        app.stop_workers(["w"])

        later = {"name": "w", "host": "h", "pid": 2, "started_at": clock.advance(seconds=5), "queues": (), "threads": 1}
        heard = app.worker_store.beat(WorkerStatus(**later, busy=0, version="1"))

        assert heard is None

    def test_that_died_are_forgotten_when_pruned(self, app, clock):
        a_worker(app)
        clock.advance(minutes=1)
        a_worker(app, name="alive")

        assert [one.name for one in app.dead_workers()] == ["w"]
        assert app.prune_workers() == 1
        assert ([one.name for one in app.workers()], app.dead_workers()) == (["alive"], [])


class TestManyJobs:
    def test_are_found_counted_and_retried(self, app):
        breaks.delay_many([(str(n),) for n in range(7)])
        greets.options(run_in=60).delay("Ada")
        work_off()
        chosen = JobFilter(state="failed", error="no ", arguments={"0": "3"})

        assert len(app.find(JobFilter(state="failed"), limit=5).jobs) == 5
        assert app.count(chosen).number == 1
        assert app.retry_all(chosen) == 1
        assert {state: count.number for state, count in app.counts().items() if count.number} == {
            "ready": 1,
            "scheduled": 1,
            "failed": 6,
        }
        assert [(group.name, group.error, group.count) for group in app.failures()] == [
            (f"{__name__}.breaks", "LookupError", 6)
        ]

    def test_are_found_as_a_sequence(self, app):
        jobs = greets.delay_many([(str(n),) for n in range(3)])

        page = app.find(limit=2)

        assert [one.id for one in page] == [jobs[2].id, jobs[1].id]
        assert (len(page), page[0].id, page[-1] in page) == (2, jobs[2].id, True)
        assert [one.id for one in app.find(after=page.next)] == [jobs[0].id]

    @pytest.mark.parametrize(("number", "truth"), [(0, False), (1, True)])
    def test_are_there_or_not(self, app, number, truth):
        greets.delay_many([("x",)] * number)

        assert bool(app.find()) is truth

    def test_are_run_now_moved_cancelled_and_deleted(self, app):
        [one, *_] = greets.options(run_in=60).delay_many([(str(n),) for n in range(4)])

        assert app.run_now(one.id).run_at == START
        assert app.run_all_now(JobFilter(arguments={"0": "1"})) == 1
        assert app.move(one.id, priority=-5).priority == -5
        assert app.move_all(JobFilter(state="ready"), queue="fast") == 2
        assert app.cancel_all(JobFilter(queue="fast")) == 2
        assert app.delete_all(JobFilter(state="cancelled")) == 2

    @pytest.mark.parametrize("to", [{"queue": "a,b"}, {"priority": "1"}, {}])
    def test_are_not_moved_to_an_invalid_place(self, app, to):
        with pytest.raises(OptionError, match=r"must|another queue"):
            app.move_all(JobFilter(), **to)


class TestAFilter:
    @pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
    @pytest.mark.parametrize("field", ["state", "queue", "name", "error", "since", "until"])
    def test_takes_nothing_but_plain_values(self, field, hostile):
        with pytest.raises(FilterError, match=rf"^{field} of a filter must"):
            JobFilter(**{field: hostile})

    @pytest.mark.parametrize("hostile", [*HOSTILE, "x" * 1001, 2**63, b"x"], ids=repr)
    def test_takes_nothing_but_plain_values_of_arguments(self, hostile):
        with pytest.raises(FilterError, match=r"^arguments of a filter must"):
            JobFilter(arguments={"x": hostile})

    @pytest.mark.parametrize("place", ["$where", "a.$ne", "", ".", "a..b", "a b", 1, None, "x" * 257, "a.\0"])
    def test_takes_no_place_that_is_an_operator(self, place):
        with pytest.raises(FilterError, match=r"^arguments of a filter must have places"):
            JobFilter(arguments=[(place, 1)])

    @pytest.mark.parametrize("arguments", ["x", 7, [("a",)], [7], [("x", 1)] * (MOST_ARGUMENTS + 1)], ids=repr)
    def test_takes_no_arguments_that_are_no_pairs(self, arguments):
        with pytest.raises(FilterError, match=r"^arguments of a filter must be"):
            JobFilter(arguments=arguments)

    @pytest.mark.parametrize("text", ["", "x" * (LONGEST_ERROR_TEXT + 1), "\0"])
    def test_takes_texts_of_some_length_only(self, text):
        with pytest.raises(FilterError, match=r"^error of a filter must be a text"):
            JobFilter(error=text)

    def test_takes_code_for_its_text(self):
        chosen = JobFilter(queue=Code("q"), error=Code("e"), arguments={"x": Code("a")})

        assert {type(value) for value in (chosen.queue, chosen.error, chosen.arguments[0][1])} == {str}

    def test_is_a_value(self):
        arguments = {"x": 1, "y": ObjectId("0" * 24)}

        assert JobFilter(arguments=arguments) == JobFilter(arguments=list(arguments.items()))
        assert hash(JobFilter(arguments=arguments))
