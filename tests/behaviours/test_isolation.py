"""What a run leaves behind in its context reaches its own hooks, and no other run."""

import decimal

import pytest

import mongojobs
from mongojobs import testing
from tests.support.isolation_app import LEAVERS, SHARERS, leaves_state_behind, moves_away, seen, tenant
from tests.support.waiting import eventually
from tests.support.working import work_off, working

UNTOUCHED = ("nobody", decimal.DefaultContext.prec)
OWN = [("before", decimal.DefaultContext.prec), ("somebody", 3)]


@pytest.fixture
def app(connection, indexes):
    app = mongojobs.configure()
    yield app
    mongojobs.configure()


@pytest.fixture(autouse=True)
def _clean_slate():
    seen.clear()
    with decimal.localcontext():
        yield


class TestContextOfARun:
    @pytest.mark.parametrize("leaves", LEAVERS)
    def test_is_not_that_of_the_run_before_in_a_thread(self, app, leaves):
        leaves.delay_many([(), (), ()])

        with working():
            eventually(lambda: len(seen) == 3)

        assert seen == [UNTOUCHED] * 3

    @pytest.mark.parametrize("leaves", LEAVERS)
    def test_is_not_that_of_the_caller_of_work_off(self, app, leaves):
        leaves.delay_many([(), ()])
        decimal.getcontext().prec = 7

        work_off()

        assert seen == [UNTOUCHED] * 2
        assert (tenant.get(), decimal.getcontext().prec) == ("nobody", 7)

    @pytest.mark.parametrize("sharer", SHARERS)
    def test_is_that_of_its_hooks_in_a_thread(self, app, sharer):
        mongojobs.enqueue(sharer())

        with working():
            eventually(lambda: len(seen) == 2)

        assert seen == OWN


class TestInATest:
    @pytest.mark.parametrize("leaves", LEAVERS)
    def test_runs_leave_nothing_behind(self, app, leaves):
        with testing.mode("fake"):
            job = leaves.delay()
            leaves.delay()
            testing.perform(job)
            testing.drain()

        assert seen == [UNTOUCHED] * 2
        assert tenant.get() == "nobody"

    @pytest.mark.parametrize("sharer", SHARERS)
    def test_hooks_share_what_their_job_sets(self, app, sharer):
        with testing.mode("fake"):
            testing.perform(mongojobs.enqueue(sharer()))

        assert seen == OWN

    @pytest.mark.parametrize("sharer", SHARERS)
    def test_hooks_share_what_their_job_sets_when_it_runs_at_once(self, app, sharer):
        with testing.mode("inline"):
            mongojobs.enqueue(sharer())

        assert seen == OWN
        assert tenant.get() == "nobody"


class TestAFolderThatIsLeft:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "started here"
        folder.mkdir()
        return folder

    def test_by_a_job_is_still_that_of_the_heartbeat_file(self, app, start, folder, tmp_path):
        start("work", "--heartbeat-file=alive", cwd=folder, MONGOJOBS_APP="tests.support.isolation_app")
        moves_away.delay(str(tmp_path))
        eventually(lambda: app.store.collection.estimated_document_count() == 0)
        (folder / "alive").unlink()

        eventually((folder / "alive").exists)

        assert not (tmp_path / "alive").exists()

    @pytest.mark.parametrize("arguments", [(), ("--executor=process",), ("--processes=2",)])
    def test_by_the_app_is_still_that_of_all_files_and_children(self, app, start, folder, tmp_path, arguments):
        (folder / "restless.py").write_text(
            f"import os\nfrom tests.support.isolation_app import *\nos.chdir({str(tmp_path)!r})\n"
        )
        files = ("--heartbeat-file=alive", "--log-dir=log", "--pidfile=pid")

        start("work", *files, *arguments, cwd=folder, MONGOJOBS_APP="restless")
        leaves_state_behind.delay()
        eventually(lambda: app.store.collection.estimated_document_count() == 0)

        eventually(lambda: "COMPLETED" in (folder / "log/mongojobs.log").read_text())
        assert {"alive", "log", "pid"} <= {file.name for file in folder.iterdir()}
