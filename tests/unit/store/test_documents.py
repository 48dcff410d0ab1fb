"""Jobs as documents."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from bson import Int64

from mongojobs.core.errors import DamagedPayloadError
from mongojobs.core.inside.progress import Progress
from mongojobs.store.documents import to_document, to_job, to_shown_job
from tests.support.clock import START
from tests.support.jobs import a_job

NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 - as mongomock gives it
FULL = a_job(
    state="running",
    attempts=1,
    max_attempts=2,
    max_run_time=timedelta(days=30),
    locked_at=START,
    locked_by="w",
    locked_until=START,
    lock_token="t",
    transacts_until=START,
    fence=3,
    losses=4,
    releases=5,
    snoozes=6,
    deferred_since=START,
    deferred_reason="r",
    failed_at=START,
    finished_at=START,
    expire_at=START,
    expires_at=START,
    last_error="e",
    errors=({"at": START, "attempt": 1, "error": "e", "trace": "", "worker": "w"},),
    ran_by="w",
    took=timedelta(seconds=2),
    progress=Progress(done=3, of=7, note="n", at=START, rate=0.5),
    keep_result=timedelta(hours=1),
    keep_log=64 * 1024,
    returned={"value": 7},
    steps=({"name": "charge", "value": 7, "at": START, "took": 12},),
    cursors=({"name": "User", "key": 7, "count": 3},),
    advanced=3,
    retries=({"at": START, "by": "olga"},),
    cancellation={"at": START, "by": "olga", "why": "wrong file"},
    tags=("a",),
    meta={"trace": "x"},
    unique_key="d",
    unique_digest="d",
    unique_text="order_id=7",
    unique_until="start",
    key_until=START,
    start_by=START,
    merged=7,
    again={"run_at": START},
    id_given=True,
    kept_for=timedelta(hours=1),
)


class TestRoundTrip:
    @pytest.mark.parametrize("job", [a_job(), FULL], ids=["small", "full"])
    def test_gives_back_the_same_job(self, job):
        assert to_job(to_document(job)) == job

    def test_keeps_every_field_but_the_run_and_what_an_enqueue_says(self):
        stored = to_document(FULL).keys() - {"_id"} | {"id", "run", "duplicate", "home", "logged"}

        assert stored == {field.name for field in dataclasses.fields(FULL)}


class TestToDocument:
    def test_stores_the_limit_in_milliseconds(self):
        assert to_document(a_job(max_run_time=timedelta(seconds=1.5)))["max_run_time"] == 1500


class TestToJob:
    def test_reads_naive_times_as_utc(self):
        document = to_document(a_job()) | {"run_at": NAIVE, "created_at": NAIVE}

        job = to_job(document)

        assert (job.run_at, job.created_at) == (datetime(2030, 1, 1, tzinfo=UTC),) * 2

    def test_ignores_fields_that_it_does_not_know(self):
        job = a_job()

        assert to_job(to_document(job) | {"from the future": 1}) == job

    def test_takes_null_for_no_value_where_there_may_be_none(self):
        job = a_job()

        assert to_job(to_document(job) | {"max_attempts": None, "locked_by": None}) == job

    def test_takes_long_integers(self):
        assert to_job(to_document(a_job()) | {"priority": Int64(5), "fence": Int64(2)}).priority == 5

    @pytest.mark.parametrize("field", ["_id", "name", "queue", "priority", "run_at", "handler", "state"])
    def test_refuses_a_document_that_lacks_a_field(self, field):
        document = to_document(a_job())
        del document[field]

        with pytest.raises(DamagedPayloadError, match=f"{field} is missing"):
            to_job(document)

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            ({"run_at": None}, "run_at is null"),
            ({"run_at": "x"}, "run_at is of the wrong type str"),
            ({"attempts": None}, "attempts is null"),
            ({"attempts": True}, "attempts is of the wrong type bool"),
            ({"priority": 2**31}, "priority is 2147483648"),
            ({"state": "odd"}, "state is 'odd'"),
            ({"state": "x" * 500}, "state is 'xxx"),
            ({"_id": {"a": 1}}, "_id is of the wrong type dict"),
            ({"meta": []}, "meta is of the wrong type list"),
        ],
    )
    def test_refuses_damaged_fields_and_names_them(self, damage, reason):
        with pytest.raises(DamagedPayloadError) as raised:
            to_job(to_document(a_job()) | damage)

        assert str(raised.value).startswith(reason)
        assert len(str(raised.value)) < 150


class TestToShownJob:
    def test_shows_whatever_can_be_read(self):
        shown = to_shown_job({"_id": 1, "queue": 5, "name": "n", "attempts": "x", "created_at": NAIVE})

        assert (shown.id, shown.name, shown.queue, shown.attempts) == (1, "n", "(damaged)", 0)
        assert shown.created_at == datetime(2030, 1, 1, tzinfo=UTC)

    def test_of_a_sound_document_is_the_job(self):
        assert to_shown_job(to_document(FULL)) == FULL
