"""What a job has logged, on its page: its end, masked, and nothing that a browser would carry out."""

from datetime import timedelta

import pytest
from pymongo.errors import OperationFailure

from mongojobs.core.inside.log import Entry
from mongojobs.store.logs.log_store import LogStore
from mongojobs.worker.run.run_log import RunLog
from tests.support.clock import START
from tests.support.dashboard import VIEWER, Visitor, a_running_job
from tests.support.worker_parts import a_held
from tests.web.test_jobs import called_with


@pytest.fixture
def page(app):
    """The page of a running job that has logged *texts*; *runs* times, each a minute later."""

    def page(*texts, level="INFO", runs=1, path="", **changes):
        job = a_running_job(**{"handler": called_with(7, password="open sesame"), "keep_log": 64 * 1024} | changes)
        app.store.insert(job)
        for number in range(runs):
            began = {"locked_at": START + timedelta(minutes=number), "fence": number + 1, "locked_by": "ada"}
            log = RunLog(a_held(id=job.id, keep_log=job.keep_log, attempts=number, **began), str, lambda: None)
            for text in texts:
                log.lines.add(Entry(START.timestamp(), level, text))
            app.log_store.write(log.gather(0.0))
        return Visitor(app, VIEWER).text(f"/job?id={job.id}{path}")

    return page


class TestALog:
    def test_is_shown_by_run_with_the_command_that_prints_it(self, page):
        text = page("row 1", "row 2", runs=2)

        assert text.count("row 1") == text.count("row 2") == 2
        assert "Attempt 1, run 1, <bdi>ada</bdi>" in text
        assert "Attempt 2, run 2, <bdi>ada</bdi>" in text
        assert "mongojobs jobs log " in text

    def test_has_its_last_lines_shown_and_says_so(self, page):
        text = page(*(f"row {number:03}" for number in range(300)))

        assert "row 299" in text
        assert "row 100" in text
        assert "row 099" not in text
        assert "The last lines. Earlier ones:" in text

    def test_is_cut_by_size_too(self, page):
        text = page(*(f"row {number:03} {'x' * 7_000}" for number in range(30)), keep_log=1024 * 1024)

        assert "row 029" in text
        assert "row 010" not in text

    def test_has_its_secrets_masked_even_those_that_were_stored(self, page):
        assert "open sesame" not in page("said open sesame, twice")

    def test_shows_hostile_texts_as_texts(self, page):
        text = page("</pre><script>window.hacked = 1</script>\x1b[31m\u202e", level='"><b>')

        assert "<script>window" not in text
        assert "&lt;script&gt;window.hacked" in text
        assert "\\x1b[31m\\u202e" in text
        assert 'data-level="&#34;&gt;&lt;b&gt;"' in text

    def test_that_is_empty_says_so(self, page):
        assert "Nothing yet, or nothing that is still kept." in page()

    def test_that_may_not_be_read_leaves_the_rest_of_the_page(self, page, monkeypatch):
        def refused(*_arguments, **_options):
            raise OperationFailure("not authorized on shop_jobs to execute command", 13)

        monkeypatch.setattr(LogStore, "tail", refused)

        text = page("row 1")

        assert "the database refused the operation: not authorized on shop_jobs" in text
        assert "row 1" not in text
        assert "Timeline" in text

    def test_is_not_looked_for_where_none_is_kept(self, page):
        assert 'id="log"' not in page(keep_log=None)

    def test_outlives_its_job(self, app, page):
        page("row 1")
        [job] = app.find().jobs
        app.store.finish(app.find().jobs)

        text = Visitor(app, VIEWER).text(f"/job?id={job.id}")

        assert app.get(job.id) is None
        assert f"<code>{job.id}</code> has completed" in text
        assert "row 1" in text

    def test_that_was_deleted_with_its_job_is_not_there(self, app, page):
        page("row 1", state="failed")
        [job] = app.find().jobs
        app.delete(job.id)

        assert Visitor(app, VIEWER).get(f"/job?id={job.id}").status_code == 404

    def test_is_refreshed_with_the_page(self, app, page):
        page("row 1")
        [job] = app.find().jobs

        fragment = Visitor(app, VIEWER).get(f"/job?id={job.id}", HX_Request="true").text

        assert "row 1" in fragment
        assert "<html" not in fragment
