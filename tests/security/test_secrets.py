"""Secrets in arguments reach neither the errors in the database nor the log (S13)."""

import logging

import pytest

from mongojobs import OptionError, enqueue, job
from mongojobs.core.settings import Settings
from tests.support import secretive_jobs
from tests.support.secretive_jobs import CANARY, Account, Login, says
from tests.support.working import work_off

SLIPS = {
    "as a text": lambda: secretive_jobs.log_in.delay("ada", CANARY),
    "by name": lambda: secretive_jobs.log_in.delay("ada", password=CANARY),
    "as bytes": lambda: secretive_jobs.log_in.delay("ada", b"c4n4ry"),
    "as a number": lambda: secretive_jobs.log_in.delay("ada", 40_440),
    "inside of other values": lambda: secretive_jobs.open_doors.delay([{"front": CANARY}, {CANARY}, (CANARY,)]),
    "in a chain of errors": lambda: secretive_jobs.log_in_with_a_chain.delay(CANARY),
    "in a reason to discard": lambda: secretive_jobs.discards_with.delay(CANARY),
    "across the place of a cut": lambda: secretive_jobs.log_in_at_length.delay(CANARY, 8 * 1024 - 30),
    "in a job object and its hook": lambda: enqueue(Login("ada", CANARY), max_attempts=1),
    "in a method": lambda: Account(name="ada").save().log_in(CANARY, user="bob"),
}


@pytest.fixture
def seen(app, caplog):
    """Returns all that others see: the log from DEBUG up, and the job's document without its payload."""

    def seen():
        documents = app.store.collection.find({}, {"handler": 0})
        records = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
        return "\n".join([*map(str, documents), *records])

    caplog.set_level(logging.DEBUG, logger="mongojobs")
    return seen


class TestASensitiveArgument:
    @pytest.mark.parametrize("slip", SLIPS)
    def test_that_slips_is_masked(self, seen, slip):
        SLIPS[slip]()

        work_off()

        assert "[masked]" in seen()
        assert "c4n4ry" not in seen()
        assert "40440" not in seen()

    def test_leaves_the_others_to_be_read(self, app, seen):
        job = secretive_jobs.log_in.delay("ada", CANARY)

        work_off()

        assert "ada was refused with [masked]" in app.get(job.id).last_error

    def test_is_masked_in_the_error_of_a_payload_that_cannot_be_loaded(self, app, seen):
        job = secretive_jobs.needs_a_number.delay(1)
        planted = {"handler.args": [{"__mj": "decimal", "v": CANARY}]}
        app.store.collection.update_one({"_id": job.id}, {"$set": planted})

        work_off()

        assert app.get(job.id).has_failed
        assert "c4n4ry" not in seen()

    @pytest.mark.parametrize("names", [("pasword",), "pasword"])
    def test_with_a_misspelled_name_is_refused(self, names):
        with pytest.raises(OptionError, match=r"sensitive names 'pasword', but the arguments of .* are \['password'\]"):
            job(name="test_secrets.misspelled", sensitive=names)(lambda password: None)

    @pytest.mark.parametrize("names", [5, (5,), None])
    def test_without_a_name_is_refused(self, names):
        with pytest.raises(OptionError, match="sensitive must be a tuple of names of arguments, got"):
            job(name="test_secrets.nameless", sensitive=names)(lambda password: None)


class TestASensitiveValue:
    @pytest.mark.parametrize("way", ["in a group", "in a note", "as JSON", "in a URL"])
    def test_of_several_lines_is_masked_wherever_it_slips(self, seen, way):
        secretive_jobs.gives_away.delay("first c4n4ry line\n  second c4n4ry line", way)

        work_off()

        assert "[masked]" in seen()
        assert "c4n4ry" not in seen()

    def test_is_masked_in_forty_megabytes(self, seen):
        secretive_jobs.log_in_at_length.delay(CANARY, 40_000_000)

        work_off()

        assert "SlipError: xxxx" in seen()
        assert "c4n4ry" not in seen()

    def test_is_masked_among_further_arguments(self, seen):
        secretive_jobs.takes_more.delay("c4n4ry-1", key="c4n4ry-2")

        work_off()

        assert "c4n4ry" not in seen()

    @pytest.mark.parametrize(
        "options", [{"api_key": "c4n4ry-1"}, {1: 2, "api_key": "c4n4ry-1"}, [{"user": "ada", "token": ["c4n4ry-1"]}]]
    )
    def test_is_masked_where_only_its_name_says_that_it_is_secret(self, seen, options):
        secretive_jobs.calls_with.delay(options, "c4n4ry-2")
        secretive_jobs.calls_with.delay(options, password="c4n4ry-3")

        work_off()

        assert "[masked]" in seen()
        assert "c4n4ry" not in seen()


class TestAnArgument:
    @pytest.mark.parametrize("slip", [lambda: says.delay("quiet"), lambda: enqueue(Login("quiet", CANARY))])
    def test_is_never_logged_by_itself(self, app, caplog, slip):
        caplog.set_level(logging.DEBUG, logger="mongojobs")
        app.lifecycle.around("invoke_job", lambda proceed, job: None)
        slip()

        work_off()

        assert caplog.records
        assert "quiet" not in caplog.text
        assert "c4n4ry" not in caplog.text


class TestRedact:
    def test_changes_every_text_before_it_is_stored_and_logged(self, configure, seen):
        configure(redact=lambda text: text.replace("4000-1234", "****"))
        says.delay("card 4000-1234")

        work_off()

        assert "card ****" in seen()
        assert "4000-1234" not in seen()

    @pytest.mark.parametrize(
        ("redact", "said"),
        [
            (lambda text: text["no"], "(hidden, since redact raised TypeError)"),
            (lambda text: None, "(hidden, since redact returned no text)"),
        ],
    )
    def test_that_fails_hides_the_text(self, configure, seen, redact, said):
        app = configure(redact=redact)
        job = says.delay("c4n4ry")

        work_off()

        assert app.get(job.id).last_error.startswith(said)
        assert "c4n4ry" not in seen()

    def test_must_be_a_function(self):
        with pytest.raises(ValueError, match="redact must be a function, got 'x'"):
            Settings(redact="x")
