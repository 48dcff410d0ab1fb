"""``DelayedJob``: the jobs as MongoEngine documents, for queries and for nothing else."""

import pytest

from mongojobs import DelayedJob, ReadOnlyError
from tests.support.clock import START
from tests.support.sample_jobs import always_fails, fails_once_and_for_all, remember_one
from tests.support.working import work_off

CHANGE = r"use mongojobs\.default_app\(\)\.retry\(id\), \.cancel\(id\) or \.delete\(id\)"
DELETE = r"use mongojobs\.default_app\(\)\.delete\(id\), or run mongojobs clear"
ENQUEUE = r"enqueue with function\.delay\(\.\.\.\) or document\.delay\.method\(\.\.\.\)"


@pytest.fixture
def stored(app):
    """A job as a document, and a second one next to it."""
    remember_one.delay("beside")
    job = remember_one.options(queue="mail", priority=3, tags=["a"]).delay("stored")
    return DelayedJob.objects.get(id=job.id)


class TestAQuery:
    def test_finds_jobs_by_queue_and_state(self, app):
        failed = fails_once_and_for_all.options(queue="mail").delay()
        fails_once_and_for_all.options(queue="bulk").delay()
        work_off()
        remember_one.options(queue="mail").delay(1)

        found = DelayedJob.objects(queue="mail", state="failed")

        assert [job.id for job in found] == [failed.id]

    def test_finds_jobs_by_their_arguments(self, app):
        remember_one.delay("other")
        wanted = remember_one.delay("wanted")

        found = DelayedJob.objects(__raw__={"handler.args": "wanted"})

        assert [job.id for job in found] == [wanted.id]

    def test_counts_and_sorts(self, app):
        remember_one.options(priority=2).delay(1)
        remember_one.options(priority=1).delay(2)

        assert DelayedJob.objects.count() == 2
        assert [job.priority for job in DelayedJob.objects.order_by("priority")] == [1, 2]
        assert DelayedJob.objects(priority__gt=1).first().priority == 2

    def test_gives_every_field_of_a_job(self, app):
        job = always_fails.options(queue="mail", meta={"trace": "x"}, max_attempts=3, max_run_time=90).delay()
        work_off(name="w1")

        found = DelayedJob.objects.get(id=job.id)

        assert (found.name, found.queue, found.state) == ("tests.support.sample_jobs.always_fails", "mail", "ready")
        assert (found.attempts, found.max_attempts, found.max_run_time, found.fence) == (1, 3, 90_000, 1)
        assert found.last_error.startswith("NoLuckError: no luck")
        assert found.errors[0]["worker"] == "w1"
        assert found.created_at.replace(tzinfo=START.tzinfo) == START
        assert found.meta_ == {"trace": "x"}

    def test_finds_jobs_whose_id_the_caller_chose(self, app):
        remember_one.options(job_id="order-17").delay(1)

        assert DelayedJob.objects.get(id="order-17").id_given is True

    def test_reads_the_collection_of_the_default_app(self, configure):
        configure(collection="jobs_of_ours")
        remember_one.delay(1)

        assert DelayedJob.objects.count() == 1

    def test_reads_jobs_that_a_newer_version_has_written(self, app, stored):
        app.store.collection.update_one({"_id": stored.id}, {"$set": {"unheard_of": 1}})

        assert DelayedJob.objects.get(id=stored.id).queue == "mail"

    def test_leaves_no_index_behind(self, app, stored):
        assert list(app.store.collection.index_information()) == ["_id_"]


class TestAWrite:
    @pytest.mark.parametrize(
        ("write", "instead"),
        [
            (lambda job: job.save(), ENQUEUE),
            (lambda job: job.update(set__queue="x"), CHANGE),
            (lambda job: job.modify(set__queue="x"), CHANGE),
            (lambda job: job.delete(), DELETE),
            (lambda job: DelayedJob(name="x").save(), ENQUEUE),
            (lambda job: DelayedJob.objects.create(name="x"), ENQUEUE),
            (lambda job: DelayedJob.objects.insert(DelayedJob(name="x")), ENQUEUE),
            (lambda job: DelayedJob.objects.update(set__queue="x"), CHANGE),
            (lambda job: DelayedJob.objects.update_one(set__queue="x"), CHANGE),
            (lambda job: DelayedJob.objects(queue="mail").upsert_one(set__queue="x"), CHANGE),
            (lambda job: DelayedJob.objects(queue="mail").modify(set__queue="x"), CHANGE),
            (lambda job: DelayedJob.objects.delete(), DELETE),
            (lambda job: DelayedJob.objects(queue="mail").delete(), DELETE),
            (lambda job: DelayedJob.drop_collection(), DELETE),
            (lambda job: DelayedJob.ensure_indexes(), "use mongojobs create-indexes"),
            (lambda job: DelayedJob.create_index("queue"), "use mongojobs create-indexes"),
        ],
    )
    def test_is_refused_with_what_to_do_instead(self, app, stored, write, instead):
        before = list(app.store.collection.find())

        with pytest.raises(ReadOnlyError, match=f"DelayedJob is read-only, so .* is refused: {instead}"):
            write(stored)

        assert list(app.store.collection.find()) == before
