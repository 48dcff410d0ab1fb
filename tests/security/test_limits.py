"""Sizes have limits, which hold to the byte and are checked before the network (S6)."""

import bson
import pytest
from bson import ObjectId

import mongojobs
from mongojobs import (
    ArgumentsError,
    EnqueueError,
    OptionError,
    PayloadTooLargeError,
    RegistrationError,
    UnstorableValueError,
)
from mongojobs import job as declare
from mongojobs.core.limits import KEPT_ENTRIES, LONGEST_ERROR, LONGEST_TRACE
from mongojobs.enqueuing.enqueuer import LARGEST_META_BYTES
from tests.support.sample_jobs import always_fails, remember, remember_one
from tests.support.waiting import LONG, promptly
from tests.support.working import work_off

LONGEST = "n" * 256
CHOSEN = {
    "queue": LONGEST,
    "job_id": LONGEST,
    "tags": [LONGEST] * 100,
    "priority": 2**31 - 1,
    "meta": {"text": "m" * (LARGEST_META_BYTES - len(bson.encode({"text": ""})))},
}
TOO_MUCH = {
    "queue": f"{LONGEST}n",
    "job_id": f"{LONGEST}n",
    "tags": [LONGEST] * 101,
    "priority": 2**31,
    "meta": {"text": f"{CHOSEN['meta']['text']}m"},
}


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def payload_of(size):
    """Return a text whose payload has exactly *size* bytes."""
    empty = {"v": 1, "kind": "function", "target": remember_one.declaration.name, "args": [""], "kwargs": {}}
    return "p" * (size - len(bson.encode(empty)))


class TestALimit:
    @pytest.mark.parametrize("option", CHOSEN)
    def test_of_an_option_allows_its_value(self, app, option):
        job = remember_one.options(**{option: CHOSEN[option]}).delay(1)

        assert app.get(job.id) == job

    @pytest.mark.parametrize("option", TOO_MUCH)
    def test_of_an_option_allows_no_more(self, app, option):
        with pytest.raises(OptionError, match=rf"^{option} must be"):
            remember_one.options(**{option: TOO_MUCH[option]}).delay(1)

        assert app.reader.find() == []

    @pytest.mark.parametrize("less", [0, 1])
    def test_of_a_tag_and_a_name_allows_its_length(self, app, less):
        name = LONGEST[less:]

        made = declare(name=name)(len)

        assert app.get(made.options(tags=[name]).delay("x").id).name == name

    def test_of_a_tag_and_a_name_allows_no_more(self):
        with pytest.raises(RegistrationError, match="must be 1 to 256 printable characters"):
            declare(name=f"{LONGEST}n")(len)
        with pytest.raises(OptionError, match=r"^tags must be texts of 1 to 256"):
            remember_one.options(tags=[f"{LONGEST}n"])

    @pytest.mark.parametrize("less", [0, 1])
    def test_of_a_payload_allows_its_size(self, app, recorder, less):
        text = payload_of(2**20 - less)
        remember_one.delay(text)

        assert work_off() == (1, 0)
        assert recorder.facts("remembered") == [text]

    def test_of_a_payload_allows_no_more(self, app):
        with pytest.raises(PayloadTooLargeError, match="has 1048577 bytes, more than 1048576") as refused:
            remember_one.delay(payload_of(2**20 + 1))

        assert (refused.value.size, refused.value.limit) == (2**20 + 1, 2**20)
        assert app.reader.find() == []

    def test_of_a_payload_is_a_setting(self, configure):
        configure(max_payload_bytes=2000)

        assert remember_one.delay(payload_of(2000))
        with pytest.raises(PayloadTooLargeError):
            remember_one.delay(payload_of(2001))

    def test_of_a_worker_label_cuts_it(self, app):
        assert mongojobs.Worker(name=f"{LONGEST}n").name == LONGEST

    @pytest.mark.parametrize("more", [-1, 0, 1])
    def test_of_an_error_cuts_the_text(self, app, more):
        message = "m" * (LONGEST_ERROR - len("NoLuckError: ") + more)
        failed = always_fails.delay(message)

        work_off()

        [error] = app.get(failed.id).errors
        assert len(error["error"]) == LONGEST_ERROR + min(more, 0)
        assert error["error"].endswith("(cut)") == (more > 0)
        assert len(error["trace"]) <= LONGEST_TRACE

    @pytest.mark.parametrize("failures", [KEPT_ENTRIES - 1, KEPT_ENTRIES, KEPT_ENTRIES + 1])
    def test_of_the_errors_keeps_the_last_ones(self, app, failures):
        failed = always_fails.delay("x" * 50_000)
        for _ in range(failures):
            app.store.collection.update_one({"_id": failed.id}, {"$set": {"run_at": failed.run_at}})
            work_off()

        stored = app.get(failed.id)
        assert stored.attempts == failures
        assert [error["attempt"] for error in stored.errors] == list(range(1, failures + 1))[-KEPT_ENTRIES:]


class TestARefusal:
    """It comes before the network: here the address is one where nothing answers."""

    REFUSED = {
        "too large": lambda: remember_one.delay("x" * 2**20),
        "too deep": lambda: remember_one.delay(nested(51)),
        "not storable": lambda: remember_one.delay(object()),
        "wrong arguments": lambda: remember_one.delay(1, 2),
        "many, one too large": lambda: remember.delay_many([(1,), ("x" * 2**20,)]),
        "a name too long": lambda: remember_one.options(queue="q" * 257).delay(1),
        "meta too large": lambda: remember_one.options(meta={"text": "x" * 2**14}).delay(1),
        "an id that is none": lambda: remember_one.options(job_id={"$ne": ObjectId()}).delay(1),
    }

    @pytest.mark.parametrize("reason", REFUSED)
    def test_needs_no_database(self, reason):
        away = f"mongodb://127.0.0.1:1/away?serverSelectionTimeoutMS={LONG * 1000}"
        app = mongojobs.MongoJobs(mongojobs.Settings(uri=away, enqueue_timeout=LONG))

        with app.active(), promptly(), pytest.raises(EnqueueError) as refused:
            self.REFUSED[reason]()

        assert isinstance(refused.value, PayloadTooLargeError | UnstorableValueError | ArgumentsError | OptionError)
        app.close()
