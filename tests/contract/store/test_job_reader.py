"""Looking at jobs, page by page, counted and grouped, on a real server."""

import re
from datetime import timedelta

import pytest
from bson import ObjectId

from mongojobs.core.errors import FilterError
from mongojobs.core.job_filter import JobFilter
from mongojobs.store import selections
from mongojobs.store.positions import to_text
from tests.support.clock import START
from tests.support.jobs import HANDLER, a_job
from tests.support.stores import MINUTE, reader, reserve

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
OF_STATE = {
    "ready": {},
    "scheduled": {"run_at": START + HOUR},
    "running": {"state": "running", "locked_until": START, "lock_token": "t"},
    "failed": {"state": "failed", "finished_at": START},
}


@pytest.fixture
def store(server_store):
    return server_store


def a_failed_job(**changes):
    return a_job(**{"state": "failed", "failed_at": START, "finished_at": START, "last_error": "boom"} | changes)


def with_arguments(*args, **kwargs):
    return a_job(handler={**HANDLER, "args": list(args), "kwargs": kwargs})


def found(store, **chosen):
    return reader(store).page(JobFilter(**chosen)).jobs


def pages(store, limit, **chosen):
    """Return the ids of page after page, to the end."""
    page = reader(store).page(JobFilter(**chosen), limit=limit)
    listed = [[job.id for job in page.jobs]]
    while page.next is not None and len(listed) < 50:
        page = reader(store).page(JobFilter(**chosen), limit=limit, after=page.next)
        listed.append([job.id for job in page.jobs])
    return listed


class TestAPage:
    def test_tells_due_jobs_from_those_due_later(self, store):
        due, later = a_job(), a_job(run_at=START + SECOND)
        store.insert_many([due, later])

        assert found(store, state="ready") == (due,)
        assert found(store, state="scheduled") == (later,)

    @pytest.mark.parametrize("state", [None, "ready", "scheduled", "running", "failed", "completed", "cancelled"])
    def test_is_followed_by_others_until_each_job_was_shown_once(self, store, state):
        moments = [START + (n // 3) * SECOND for n in range(10)]
        stored = {"scheduled": "ready", None: "failed"}.get(state, state)
        later = HOUR if state == "scheduled" else -HOUR
        jobs = [
            a_job(state=stored, run_at=m + later, finished_at=m, locked_until=m, lock_token=str(n))
            for n, m in enumerate(moments)
        ]
        store.insert_many(jobs)

        listed = pages(store, 3, state=state)

        assert [len(page) for page in listed] == [3, 3, 3, 1]
        assert {job_id for page in listed for job_id in page} == {job.id for job in jobs}

    @pytest.mark.parametrize("state", [None, "failed"])
    def test_loses_no_job_among_ids_of_several_types(self, store, state):
        ids = ["a", "$b", "c", 1, 2**40, -3, ObjectId(), ObjectId(), ObjectId()]
        store.insert_many([a_failed_job(id=job_id, id_given=True) for job_id in ids])

        listed = pages(store, 2, state=state)

        assert sorted(str(job_id) for page in listed for job_id in page) == sorted(map(str, ids))

    def test_shows_damaged_jobs_once_too(self, store):
        store.insert_many([a_failed_job(finished_at=START - n * SECOND) for n in range(5)])
        damaged = [job["_id"] for job in store.collection.find({}, limit=3)]
        store.collection.update_many({"_id": {"$in": damaged}}, {"$unset": {"finished_at": ""}})

        listed = pages(store, 2, state="failed")

        assert [len(page) for page in listed] == [2, 2, 1]
        assert len({job_id for page in listed for job_id in page}) == 5

    def test_comes_newest_first(self, store):
        jobs = [a_failed_job(finished_at=START + n * SECOND) for n in (2, 3, 1)]
        store.insert_many(jobs)

        assert found(store, state="failed") == (jobs[1], jobs[0], jobs[2])

    def test_of_scheduled_jobs_comes_soonest_first(self, store):
        jobs = [a_job(run_at=START + n * HOUR) for n in (2, 3, 1)]
        store.insert_many(jobs)

        assert pages(store, 2, state="scheduled") == [[jobs[2].id, jobs[0].id], [jobs[1].id]]

    def test_of_scheduled_jobs_that_finds_little_is_gone_on_with_too(self, store, monkeypatch):
        monkeypatch.setattr(selections, "KEYS_LOOKED_AT", 10)
        rare = a_job(run_at=START + 30 * HOUR, queue="rare")
        store.insert_many([rare, *(a_job(run_at=START + (n + 1) * HOUR) for n in range(25))])

        assert pages(store, 5, state="scheduled", queue="rare") == [[], [], [rare.id]]

    @pytest.mark.parametrize("after", ["", "x", "AAAA", "e30", 7, None, {"$ne": 1}, to_text((1, 2, 3))])
    def test_goes_on_after_nothing_but_its_own_mark(self, store, after):
        if after is None:
            after = to_text(({"$ne": 1}, 2))

        with pytest.raises(FilterError, match="give the `next` of the previous page"):
            reader(store).page(JobFilter(state="failed"), after=after)

    def test_that_finds_little_gives_up_and_is_gone_on_with(self, store, monkeypatch):
        monkeypatch.setattr(selections, "DOCUMENTS_LOOKED_AT", 10)
        rare = a_failed_job(finished_at=START - HOUR, last_error="something rare")
        store.insert_many([rare, *(a_failed_job(finished_at=START - n * SECOND) for n in range(25))])

        listed = pages(store, 5, state="failed", error="RARE")

        assert listed == [[], [], [rare.id]]

    def test_that_finds_little_by_keys_alone_gives_up_later(self, store, monkeypatch):
        monkeypatch.setattr(selections, "KEYS_LOOKED_AT", 10)
        rare = a_failed_job(finished_at=START - HOUR, queue="rare")
        store.insert_many([rare, *(a_failed_job(finished_at=START - n * SECOND) for n in range(25))])

        assert pages(store, 5, state="failed", queue="rare") == [[], [], [rare.id]]

    @pytest.mark.parametrize("limit", [0, -1, 1001, "5", True])
    def test_is_of_some_length(self, store, limit):
        with pytest.raises(FilterError, match="limit must be between 1 and 1000"):
            reader(store).page(JobFilter(), limit=limit)


class TestTheFirstPage:
    @pytest.fixture(autouse=True)
    def jobs(self, store):
        rare = {"queue": "rare", "name": "rare", "last_error": "something rare"}
        failed = [a_failed_job(finished_at=START - n * SECOND, **(rare if n in (3, 9, 20) else {})) for n in range(25)]
        damaged = a_failed_job(**rare)
        store.insert_many([damaged, *failed, *(a_job(queue=queue) for queue in ("rare", "rare", "default"))])
        store.collection.update_one({"_id": damaged.id}, {"$unset": {"finished_at": ""}})

    @pytest.mark.parametrize("looked_at", [10, 20_000])
    @pytest.mark.parametrize("limit", [1, 2, 4, 50])
    @pytest.mark.parametrize(
        "chosen",
        [
            *({"state": "failed", field: "rare"} for field in ("queue", "name", "error")),
            *({"state": "failed"}, {"state": "ready", "queue": "rare"}, {"state": "ready", "retrying": True}),
        ],
    )
    def test_comes_with_the_number_that_a_count_tells(self, store, monkeypatch, looked_at, limit, chosen):
        monkeypatch.setattr(selections, "KEYS_LOOKED_AT", looked_at)
        monkeypatch.setattr(selections, "DOCUMENTS_LOOKED_AT", looked_at)
        chosen = JobFilter(**chosen)

        first = reader(store).first_page(chosen, limit=limit)

        assert first == (reader(store).page(chosen, limit=limit), reader(store).count(chosen))

    def test_counts_no_further_than_asked_for(self, store):
        _, count = reader(store).first_page(JobFilter(state="failed", queue="rare"), most=3)

        assert str(count) == "3+"


class TestAFilter:
    @pytest.mark.parametrize("chosen", [{"queue": "mail"}, {"name": "a"}, {"queue": "mail", "name": "a"}])
    @pytest.mark.parametrize("state", [None, "ready", "failed"])
    def test_finds_jobs_of_a_queue_and_a_name(self, store, state, chosen):
        stored = state or "failed"
        wanted = a_job(state=stored, finished_at=START, queue="mail", name="a")
        store.insert_many([wanted, a_job(state=stored, finished_at=START, queue="other", name="b")])

        assert found(store, state=state, **chosen) == (wanted,)
        assert reader(store).count(JobFilter(state=state, **chosen)).number == 1

    @pytest.mark.parametrize(("error", "number"), [("boom", 2), ("BOOM (", 1), (".*", 0), ("^b", 0), ("\\", 0)])
    def test_finds_a_text_in_the_last_error_and_no_pattern(self, store, error, number):
        store.insert_many([a_failed_job(last_error="Boom (really)"), a_failed_job(), a_failed_job(last_error=None)])

        assert len(found(store, error=error)) == number

    @pytest.mark.parametrize(
        ("words", "number"), [(["SEND"], 2), (["send", "late"], 1), (["s.nd"], 0), (["^shop"], 0), (["$"], 0)]
    )
    @pytest.mark.parametrize("state", [None, "ready", "failed"])
    def test_finds_parts_of_a_name_and_no_pattern(self, store, state, words, number):
        stored = {"state": state or "failed", "finished_at": START}
        names = ("shop.send", "shop.send_later", "shop.report")
        store.insert_many([a_job(name=name, **stored) for name in names])

        assert len(found(store, state=state, words=words)) == number
        assert reader(store).count(JobFilter(state=state, words=words)).number == number

    @pytest.mark.parametrize("chosen", [{"priority": 5}, {"priority": 5, "queue": "mail"}, {"tag": "vip"}])
    @pytest.mark.parametrize("state", [None, "ready", "running", "failed"])
    def test_finds_jobs_of_a_priority_and_a_tag(self, store, state, chosen):
        shared = {"state": state or "failed", "finished_at": START, "locked_until": START, "queue": "mail"}
        wanted = a_job(**shared, priority=5, tags=("a", "vip"))
        store.insert_many([wanted, a_job(**shared, priority=4, tags=("vips",))])

        assert found(store, state=state, **chosen) == (wanted,)
        assert reader(store).count(JobFilter(state=state, **chosen)).number == 1

    def test_finds_jobs_by_the_worker_that_runs_them_or_ran_them(self, store):
        running = a_job(state="running", locked_until=START, locked_by="web.1")
        ran = a_failed_job(errors=({"worker": "web.1", "error": "boom"}, {"worker": "web.2", "error": "boom"}))
        done = a_job(state="completed", finished_at=START, ran_by="web.1")
        store.insert_many([running, ran, done, a_failed_job(), a_job(state="running", locked_by="web.11")])

        assert {job.id for job in found(store, worker="web.1")} == {running.id, ran.id, done.id}

    @pytest.mark.parametrize("state", [None, "ready", "failed"])
    @pytest.mark.parametrize("key", ["order_id=7", "d7"])
    def test_finds_jobs_by_their_unique_key_held_or_not(self, store, state, key):
        shared = {"state": state or "failed", "finished_at": START, "unique_text": "order_id=7"}
        wanted = a_job(**shared, unique_digest="d7")
        store.insert_many([wanted, a_job(**shared | {"unique_text": "order_id=77"}, unique_digest="d77"), a_job()])

        assert found(store, state=state, key=key) == (wanted,)

    @pytest.mark.parametrize("state", [None, "ready", "scheduled", "running", "failed"])
    @pytest.mark.parametrize("more", [{}, {"queue": "default"}, {"priority": 0}])
    def test_finds_the_jobs_of_a_schedule_and_of_no_other_whose_name_goes_on(self, store, state, more):
        names = ("a.b|c", "a.b|c:d", "a.b|c:2030", "axb|c", "a.b|")
        of_state = OF_STATE[state or "failed"]
        made = [a_job(**of_state, id=f"schedule:{name}:2030-01-01T12:00:00Z") for name in names]
        store.insert_many([*made, a_job(**of_state, id="schedule:a.b|c:soon"), a_job(**of_state)])

        assert found(store, state=state, schedule="a.b|c", **more) == (made[0],)
        assert reader(store).count(JobFilter(state=state, schedule="a.b|c", **more)).number == 1

    @pytest.mark.parametrize(
        "chosen",
        [
            {"key": ""},
            {"schedule": ""},
            {"priority": "5"},
            {"priority": True},
            {"priority": 2**31},
            {"tag": ""},
            {"tag": {"$ne": 1}},
            {"worker": re.compile("x")},
            {"words": "send"},
            {"words": [""]},
            {"words": ["x"] * 6},
            {"words": [{"$ne": 1}]},
        ],
    )
    def test_is_made_of_plain_values(self, chosen):
        with pytest.raises(FilterError, match=f"^{next(iter(chosen))} of a filter must be"):
            JobFilter(**chosen)

    @pytest.mark.parametrize("state", [None, "ready", "scheduled"])
    def test_finds_jobs_that_wait_for_another_attempt(self, store, state):
        due, later = a_job(attempts=1), a_job(attempts=2, run_at=START + HOUR)
        store.insert_many([due, later, a_job(), a_failed_job(attempts=3), a_job(state="running", attempts=1)])
        wanted = {None: {due.id, later.id}, "ready": {due.id}, "scheduled": {later.id}}[state]

        assert {job.id for job in found(store, state=state, retrying=True)} == wanted
        assert reader(store).count(JobFilter(state=state, retrying=True)).number == len(wanted)

    @pytest.mark.parametrize("state", [None, "failed"])
    def test_finds_jobs_by_when_they_ended(self, store, state):
        jobs = [a_failed_job(finished_at=START + n * MINUTE) for n in range(4)]
        store.insert_many([*jobs, a_job()])
        chosen = {"state": state, "ended_since": START + MINUTE, "ended_until": START + 3 * MINUTE}

        assert {job.id for job in found(store, **chosen)} == {jobs[1].id, jobs[2].id}
        assert reader(store).count(JobFilter(**chosen)).number == 2

    @pytest.mark.parametrize(
        "chosen", [{"state": "failed", "retrying": True}, {"state": "ready", "ended_since": START - HOUR}]
    )
    def test_finds_nothing_in_states_where_nothing_can_be(self, store, chosen):
        store.insert_many([a_failed_job(attempts=1), a_job(attempts=1)])

        assert found(store, **chosen) == ()
        assert reader(store).count(JobFilter(**chosen)).number == 0

    def test_finds_jobs_by_when_they_were_made(self, store):
        jobs = [a_failed_job(created_at=START - n * HOUR, finished_at=START) for n in range(4)]
        store.insert_many(jobs)

        assert found(store, since=START - 2 * HOUR, until=START) == (jobs[2], jobs[1])
        assert found(store, state="failed", since=START - HOUR) == (jobs[1], jobs[0])

    @pytest.mark.parametrize(
        ("arguments", "number"),
        [
            ({"0": 7}, 1),
            ({"order_id": 7}, 1),
            ({"order.id": "x"}, 1),
            ({"0": "7"}, 0),
            ([("order_id", 7), ("order.id", "x")], 1),
            ([("order_id", 7), ("order.id", "y")], 0),
            ({"order_id": None}, 1),
            ({"1": True}, 1),
        ],
    )
    def test_finds_jobs_by_arguments(self, store, arguments, number):
        positional = with_arguments(7, True)
        named = with_arguments(order_id=7, order={"id": "x"})
        empty = with_arguments(order_id=None)
        store.insert_many([positional, named, empty])

        assert len(found(store, arguments=arguments)) == number


class TestACount:
    @pytest.fixture
    def filled(self, store):
        ended = [a_failed_job(), a_failed_job(queue="mail"), a_job(state="completed", finished_at=START)]
        store.insert_many([a_job(), a_job(queue="mail"), a_job(run_at=START + HOUR), *ended])
        reserve(store, queues=("mail",))
        return store

    @pytest.mark.parametrize(
        ("chosen", "number"),
        [({}, 6), ({"state": "ready"}, 1), ({"state": "scheduled"}, 1), ({"queue": "mail"}, 2), ({"error": "BOOM"}, 2)],
    )
    @pytest.mark.parametrize("most", [10, None])
    def test_is_exact_where_there_are_few(self, filled, chosen, number, most):
        count = reader(filled).count(JobFilter(**chosen), limit=most)

        assert (count.number, count.is_exact, str(count)) == (number, True, str(number))

    def test_stops_where_nobody_needs_to_know_better(self, filled):
        count = reader(filled).count(JobFilter(), limit=4)

        assert (count.number, count.is_exact, str(count)) == (4, False, "4+")

    def test_says_when_it_has_not_seen_all(self, store, monkeypatch):
        monkeypatch.setattr(selections, "DOCUMENTS_LOOKED_AT", 10)
        store.insert_many([a_failed_job(finished_at=START - n * SECOND) for n in range(30)])

        assert not reader(store).count(JobFilter(state="failed", error="rare")).is_exact
        assert reader(store).count(JobFilter(state="failed", error="boom"), limit=None).number == 30

    @pytest.mark.parametrize(("field", "value"), [("name", "rare"), ("error", "rare")])
    def test_that_has_not_seen_all_has_seen_the_first_of_the_list(self, server_store, monkeypatch, field, value):
        monkeypatch.setattr(selections, "KEYS_LOOKED_AT", 10)
        monkeypatch.setattr(selections, "DOCUMENTS_LOOKED_AT", 10)
        rare = {"name": "rare", "last_error": "rare"}
        server_store.insert_many(
            [a_failed_job(finished_at=START - n * SECOND, **(rare if n in (3, 9, 10, 20) else {})) for n in range(30)]
        )

        count = reader(server_store).count(JobFilter(state="failed", **{field: value}))

        assert str(count) == "2+"

    def test_of_each_state_looks_less_far_in_those_that_are_not_meant(self, store, monkeypatch):
        monkeypatch.setattr(selections, "DOCUMENTS_LOOKED_AT", 20)
        store.insert_many([a_failed_job() for _ in range(9)] + [a_job() for _ in range(9)])

        counts = reader(store).counts(JobFilter(state="failed", error="BOOM"))
        others = reader(store).counts(JobFilter(state="ready", error="boom"))

        assert str(counts["failed"]) == "9"
        assert str(others["failed"]) in ("5+", "6+")

    def test_is_made_of_each_state(self, filled):
        counts = {state: count.number for state, count in reader(filled).counts().items()}

        assert counts == {"ready": 1, "scheduled": 1, "running": 1, "failed": 2, "cancelled": 0, "completed": 1}

    def test_is_made_of_each_queue(self, filled):
        assert reader(filled).known_queues() == ["default", "mail"]

        [default, empty, mail] = reader(filled).queue_counts(["mail", "empty"])

        assert [count.number for count in (default.ready, default.scheduled, default.running, default.failed)] == [
            *(1, 1, 0, 1)
        ]
        assert (empty.queue, empty.ready.number, empty.oldest_due) == ("empty", 0, None)
        assert [count.number for count in (mail.ready, mail.scheduled, mail.running, mail.failed)] == [0, 0, 1, 1]

    def test_of_the_failed_jobs_of_a_queue_stops_at_the_limit_too(self, filled):
        [default, _] = reader(filled).queue_counts(limit=1)

        assert (str(default.ready), str(default.failed)) == ("1+", "1+")


class TestABound:
    @pytest.mark.parametrize("bound", [0, -1, "5", 2.5, True])
    @pytest.mark.parametrize(
        "look",
        [
            lambda store, bound: reader(store).count(JobFilter(), limit=bound),
            lambda store, bound: reader(store).counts(limit=bound),
            lambda store, bound: reader(store).queue_counts(["mail"], limit=bound),
            lambda store, bound: reader(store).failures(latest=bound),
        ],
        ids=["count", "counts", "queue_counts", "failures"],
    )
    def test_is_of_some_size(self, store, look, bound):
        with pytest.raises(FilterError, match=f"must be a whole number of at least 1, got {bound!r}"):
            look(store, bound)


class TestTheOldestDueJob:
    def test_is_found_among_all_priorities(self, store):
        moments = [(0, 3), (5, 9), (9, 1)]
        store.insert_many([a_job(priority=p, run_at=START - n * SECOND) for p, n in moments])

        assert reader(store).oldest_due("default") == START - 9 * SECOND

    def test_is_none_where_no_job_is_due_or_sound(self, store):
        store.insert_many([a_job(run_at=START + HOUR), a_job(queue="other")])
        store.insert(damaged := a_job())
        store.collection.update_one({"_id": damaged.id}, {"$set": {"run_at": None}})

        assert reader(store).oldest_due("default") is None


class TestTheJobsAhead:
    def test_are_those_that_a_worker_takes_before(self, store):
        job = a_job(priority=1)
        before = [a_job(), a_job(priority=1, run_at=START - SECOND)]
        behind = [a_job(priority=2), a_job(queue="other"), a_job(run_at=START + HOUR), a_failed_job()]
        store.insert_many([job, *before, *behind])

        assert (reader(store).ahead_of(job).number, reader(store).ahead_of(job, limit=1).is_exact) == (2, False)


TRACE = 'Traceback (most recent call last):\n  File "/app/{0}.py", line 3, in run\n    {0}()\nValueError: {1}'


class TestFailures:
    def test_are_grouped_by_name_error_and_place(self, store):
        texts = [f"ValueError: {n}\n{TRACE.format('mail', n)}" for n in range(3)]
        same = [a_failed_job(last_error=t, finished_at=START - n * SECOND) for n, t in enumerate(texts)]
        others = [
            a_failed_job(last_error=f"ValueError: 1\n{TRACE.format('sms', 1)}"),
            a_failed_job(last_error="KeyError: 1"),
            a_failed_job(name="another", last_error=texts[0]),
        ]
        store.insert_many([*same, *others])

        [largest, *rest] = reader(store).failures()

        assert (largest.count, largest.error, largest.place) == (3, "ValueError", "/app/mail.py:3 in run")
        assert (largest.first_seen, largest.last_seen) == (START - 2 * SECOND, START)
        assert (largest.message, largest.last_id) == ("ValueError: 0", same[0].id)
        assert sorted((group.name, group.error, group.place) for group in rest) == [
            ("another", "ValueError", "/app/mail.py:3 in run"),
            ("app.tasks.send_receipt", "KeyError", ""),
            ("app.tasks.send_receipt", "ValueError", "/app/sms.py:3 in run"),
        ]

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("given up: 5 workers were lost while they held this job (max_losses is 5)", "lost workers"),
            ("given up: its worker was stopped 30 times before the job ended", "interrupted runs"),
            ("damaged: run_at is null", "damaged"),
            ("the moon is full", "(other)"),
            (None, "(other)"),
            ({"$odd": 1}, "(other)"),
            ("MemoryError", "MemoryError"),
        ],
    )
    def test_without_an_exception_are_grouped_by_what_happened(self, store, text, error):
        store.insert(job := a_failed_job())
        store.collection.update_one({"_id": job.id}, [{"$set": {"last_error": {"$literal": text}}}])

        assert [group.error for group in reader(store).failures()] == [error]

    def test_are_looked_for_among_the_latest(self, store):
        store.insert_many([a_failed_job(finished_at=START - n * SECOND, queue=f"q{n % 2}") for n in range(10)])

        assert [group.count for group in reader(store).failures(latest=4)] == [4]
        assert [group.count for group in reader(store).failures(queue="q1")] == [5]
