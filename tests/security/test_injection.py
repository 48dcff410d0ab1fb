"""No value becomes an operator, a path or a pattern (S4, S5): whether given, typed or in a job."""

import re
from datetime import timedelta

import pytest
from bson import Code, Regex

import mongojobs
from mongojobs import Discard, OptionError, Settings, SettingsError, StateError, Worker, enqueue, job
from mongojobs.core.words.wording import printable
from tests.support.command_here import run_here
from tests.support.sample_jobs import Newsletter, always_fails, remember_one
from tests.support.waiting import eventually
from tests.support.working import work_off

HOSTILE = [{"$ne": None}, {"$gt": ""}, {"$where": "1"}, [{"$ne": None}], re.compile("."), Regex(".")]
TYPED = ['{"$ne": null}', '{"$gt": ""}', "$ne", ".*", "/./", "[$ne]", "*", "\x00"]
TEXTS = [
    "$secret",
    "$$ROOT",
    "$$NOW",
    "$handler.args",
    "a.b",
    "a.$.b",
    "$[]",
    "{{x}}",
    "%s",
    "\u202eb",
    "'; return 1; '",
]
OPTIONS = ["queue", "priority", "run_at", "run_in", "max_attempts", "max_run_time", "tags", "session", "job_id"]


@job
def discards(reason: str) -> None:
    raise Discard(reason)


@pytest.fixture
def one(app):
    """A failed job, which no value other than its own may match."""
    made = always_fails.options(max_attempts=1).delay()
    work_off()
    return app.get(made.id)


@pytest.fixture
def run(app):
    """Runs a command here."""
    yield run_here
    mongojobs.configure()


class TestAParameter:
    @pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
    @pytest.mark.parametrize("option", OPTIONS)
    def test_of_an_enqueue_is_refused(self, option, hostile):
        with pytest.raises(OptionError, match=rf"^{option} must"):
            remember_one.options(**{option: hostile})

    @pytest.mark.parametrize("hostile", HOSTILE[3:], ids=repr)
    def test_that_is_a_table_takes_nothing_else(self, hostile):
        with pytest.raises(OptionError, match=r"^meta must be a dict"):
            remember_one.options(meta=hostile)

    @pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
    @pytest.mark.parametrize("name", ["queues", "name", "min_priority", "collection", "default_queue_name"])
    def test_that_is_a_setting_is_refused(self, name, hostile):
        with pytest.raises(SettingsError, match=rf"^{name} must"):
            Settings(**{name: hostile})

    @pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
    @pytest.mark.parametrize("verb", ["cancel", "retry", "delete"])
    def test_that_is_an_id_finds_no_job(self, app, one, verb, hostile):
        with pytest.raises(StateError, match=r"^no job"):
            getattr(app, verb)(hostile)

        assert app.get(hostile) is None
        assert app.get(one.id) == one

    @pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
    def test_that_is_a_queue_finds_no_job(self, app, one, hostile):
        assert app.store.count_queued(hostile, limit=1) == 0
        assert app.actions.count_clear(queue=hostile) == app.actions.clear(queue=hostile) == 0

    @pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
    def test_that_lists_queues_is_refused(self, app, hostile):
        with pytest.raises(TypeError):
            app.reader.count_late(timedelta(-1), queues=[hostile])

    def test_that_is_code_is_taken_for_its_text(self, app):
        made = remember_one.options(queue=Code("q"), job_id=Code("x"), tags=[Code("t")]).delay(1)

        document = app.store.collection.find_one({"queue": "q", "_id": "x", "tags": "t"})
        assert made == app.get("x")
        assert not [
            value for value in (document["queue"], document["_id"], *document["tags"]) if type(value) is not str
        ]
        assert type(Settings(collection=Code("c")).collection) is str


class TestATypedValue:
    @pytest.mark.parametrize("typed", TYPED)
    @pytest.mark.parametrize("verb", [("show",), ("cancel",), ("retry",), ("delete", "-y")])
    def test_that_is_an_id_finds_no_job(self, run, app, one, verb, typed):
        ended = run("jobs", *verb, typed)

        assert ended.exit_code == 1
        assert f"no job {printable(typed)}" in ended.output
        assert app.get(one.id) == one

    @pytest.mark.parametrize("typed", TYPED)
    @pytest.mark.parametrize("option", ["--queue", "--name"])
    def test_that_chooses_jobs_chooses_none(self, run, one, option, typed):
        assert str(one.id) not in run("jobs", "list", option, typed).output

    @pytest.mark.parametrize("typed", TYPED)
    def test_that_chooses_what_to_clear_chooses_nothing(self, run, app, one, typed):
        ended = run("clear", "-y", "--queue", typed)

        assert ended.output.startswith(("There are no such jobs", "Error: queue of a filter must be"))
        assert app.get(one.id) == one

    @pytest.mark.parametrize("typed", TYPED)
    def test_that_names_queues_to_check_names_none(self, run, app, typed):
        remember_one.delay(1)

        ended = run("check", "--max-age", "0s", "--queue", typed)

        assert ended.output.startswith(("No job has been waiting", "Usage: ")) or "a queue's name is" in ended.stderr


class TestAText:
    @pytest.mark.parametrize("text", TEXTS)
    def test_comes_back_as_it_is_from_arguments_tags_and_meta(self, app, recorder, text):
        options = {"tags": [text], "meta": {text: text, "in": {"$set": {text: [text]}}}, "job_id": "once"}

        remember_one.options(**options).delay({text: text, "$set": {"a.b": text}})
        work_off()

        stored = app.get("once")
        assert recorder.facts("remembered") == [{text: text, "$set": {"a.b": text}}]
        assert (stored.tags, stored.meta) == ((text,), options["meta"])

    @pytest.mark.parametrize("text", TEXTS)
    def test_comes_back_as_it_is_from_an_error(self, app, text):
        failed = always_fails.options(max_attempts=2, job_id=1).delay(text)

        work_off()
        app.store.collection.update_one({"_id": 1}, {"$set": {"run_at": failed.run_at}})
        work_off()

        stored = app.get(1)
        assert stored.last_error.startswith(f"NoLuckError: {text}\n")
        assert [error["error"] for error in stored.errors] == [f"NoLuckError: {text}"] * 2

    @pytest.mark.parametrize("text", TEXTS)
    def test_comes_back_as_it_is_from_a_reason_to_discard(self, app, text):
        discards.options(job_id=1).delay(text)

        work_off()

        assert app.get(1).last_error == text

    @pytest.mark.parametrize("text", [text for text in TEXTS if text[0] != "$" and text.isprintable()])
    def test_names_a_queue_which_is_worked_on_counted_and_cleared(self, app, text):
        name = text.replace(",", "")
        remember_one.options(queue=name).delay_many([(1,), (2,)])

        assert Worker(queues=[name]).work_off(1) == (1, 0)
        assert [queue.queue for queue in app.queues()] == [name]
        assert app.actions.clear(queue=name) == 1

    @pytest.mark.parametrize("text", ["$secret", "$$ROOT"])
    def test_that_is_not_a_queue_name_says_so(self, app, text):
        with pytest.raises(OptionError, match=r"^queue must not begin with \$"):
            remember_one.options(queue=text)

    @pytest.mark.parametrize("text", [text for text in TEXTS if text.isprintable()])
    def test_labels_a_worker_and_a_job(self, app, text):
        enqueue(Newsletter(text=text), job_id=1, tags=[text])
        app.store.collection.update_one({"_id": 1}, {"$set": {"name": text}})

        Worker(name=text, keep_completed="1d").work_off()

        assert app.get(1).name == text
        assert app.get(1).state == "completed"

    @pytest.mark.parametrize("text", [text for text in TEXTS if text.isprintable()])
    def test_labels_a_worker_that_is_lost(self, app, text):
        lost = remember_one.delay(1)
        app.store.collection.update_one(
            {"_id": lost.id},
            {"$set": {"state": "running", "locked_by": text, "locked_until": lost.run_at, "lock_token": text}},
        )

        [rescued] = app.store.rescue(by=text)

        assert rescued.locked_by == text
        assert f"the worker {text} was lost" in app.get(lost.id).last_error
        eventually(lambda: app.store.rescue(by=text) == [])
