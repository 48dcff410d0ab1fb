"""What `mongojobs init keda` prints: KEDA counts with it what `mongojobs status` counts, and by an index."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from bson import json_util

import mongojobs
from mongojobs import job
from tests.support.command_here import run_here
from tests.support.working import work_off

STRICT = json_util.CANONICAL_JSON_OPTIONS


@job
def rests():
    """Do nothing."""


@job(max_attempts=1)
def breaks():
    raise ValueError("it broke")


@pytest.fixture
def printed(tmp_path, monkeypatch):
    """Returns the objects of Kubernetes that `init keda` prints, by their kind."""
    monkeypatch.chdir(tmp_path)

    def printed(*flags):
        answer = run_here("--app", "shop.jobs:app", "--database", "shop", "init", "keda", *flags)
        assert answer.exit_code == 0, answer.output
        return {one["kind"]: one for one in yaml.safe_load_all(answer.stdout)}

    return printed


@pytest.fixture
def query(printed):
    """Returns the query as KEDA reads it, which is strict extended JSON."""

    def query(*flags):
        return json_util.loads(trigger(printed(*flags))["metadata"]["query"], json_options=STRICT)

    return query


@pytest.fixture
def collection(connection):
    """Jobs in each state, in two queues."""
    app = mongojobs.configure()
    app.create_indexes()
    rests.delay()
    breaks.delay()
    work_off()
    due = datetime.now(UTC) - timedelta(minutes=1)
    rests.options(run_at=due, priority=3).delay_many([(), (), ()])
    rests.options(run_at=due, queue='it\'s "odd" $HOME').delay_many([(), ()])
    rests.options(run_in=timedelta(hours=1)).delay_many([()] * 200)
    yield app.store.collection
    mongojobs.configure()


def trigger(objects):
    [found] = objects["ScaledObject"]["spec"]["triggers"]
    return found


def ready_of(queues):
    return sum(
        one["ready"] for one in json.loads(run_here("status", "--json").stdout)["queues"] if one["queue"] in queues
    )


class TestItsQuery:
    def test_counts_what_status_calls_ready(self, query, collection):
        assert collection.count_documents(query()) == 5 == ready_of(["default", 'it\'s "odd" $HOME'])

    def test_counts_the_queues_of_the_workers(self, query, collection):
        assert collection.count_documents(query('--queues=it\'s "odd" $HOME')) == 2

    @pytest.mark.parametrize("flags", [[], ["--queues=default"]], ids=["all", "some"])
    def test_reads_the_keys_of_due_jobs_alone(self, query, collection, flags):
        pipeline = [{"$match": query(*flags)}, {"$group": {"_id": 1, "n": {"$sum": 1}}}]  # as count_documents asks
        command = {"aggregate": collection.name, "pipeline": pipeline, "cursor": {}}

        plan = collection.database.command("explain", command, verbosity="executionStats")

        [stats] = [found["executionStats"] for found in _with_stats(plan)]
        assert stats["totalKeysExamined"] <= 10

    def test_leaves_damaged_jobs_out(self, query, collection):
        collection.update_one({"state": "ready", "priority": 3}, {"$set": {"run_at": None}})

        assert collection.count_documents(query()) == 4


class TestItsObjects:
    def test_scale_the_deployment_of_kubernetes_with_its_secret(self, printed, tmp_path):
        deployment = yaml.safe_load(run_here("--app", "shop.jobs:app", "init", "k8s").stdout)
        environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]

        objects = printed()

        [secret] = objects["TriggerAuthentication"]["spec"]["secretTargetRef"]
        assert objects["ScaledObject"]["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
        assert environment[0]["valueFrom"]["secretKeyRef"] == {"name": secret["name"], "key": secret["key"]}
        assert trigger(objects)["authenticationRef"]["name"] == objects["TriggerAuthentication"]["metadata"]["name"]

    def test_are_of_texts_alone_where_keda_wants_texts(self, printed):
        metadata = trigger(printed("--collection=7"))["metadata"]

        assert {type(value) for value in metadata.values()} == {str}
        assert (metadata["dbName"], metadata["collection"]) == ("shop", "7")

    def test_are_refused_for_a_database_without_a_name(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        answer = run_here("--app", "shop.jobs:app", "init", "keda")

        assert answer.exit_code == 2
        assert "mongojobs init keda --database NAME" in answer.output


def _with_stats(plan):
    stages = [stage.get("$cursor", stage) for stage in plan.get("stages", [plan])]
    return [stage for stage in stages if "executionStats" in stage]
