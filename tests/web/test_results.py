"""What a job returned, on its page: masked and cut as its arguments are."""

from datetime import timedelta

import pytest

from tests.support.dashboard import Visitor
from tests.support.jobs import HANDLER, a_job
from tests.web.test_jobs import called_with


@pytest.fixture
def page(app):
    """The page of a completed job, with what it returned."""

    def page(returned, *, show_arguments=True, **changes):
        ended = {"state": "completed", "keep_result": timedelta(days=1), "returned": returned}
        job = a_job(**{"handler": called_with(7, password="open sesame")} | ended | changes)
        app.store.insert(job)
        return Visitor(app, show_arguments=show_arguments).text(f"/job?id={job.id}")

    return page


class TestAResult:
    def test_is_shown(self, page):
        text = page({"value": ["sent", 7]})

        assert "[&#39;sent&#39;, 7]" in text
        assert "mongojobs jobs result " in text

    def test_has_its_secrets_masked(self, page):
        text = page({"value": {"token": "t0p-s3cret", "note": "said open sesame, twice"}})

        assert "t0p-s3cret" not in text
        assert "open sesame" not in text
        assert "twice" in text

    def test_is_masked_where_the_code_of_the_job_is_unknown(self, page):
        assert "a word" not in page({"value": "a word"}, handler={**HANDLER, "target": "nobody.knows"})

    def test_is_not_shown_where_arguments_are_not(self, page):
        assert "a word" not in page({"value": "a word"}, show_arguments=False)

    def test_is_cut(self, page):
        assert "... (50,002 characters)" in page({"value": "x" * 50_000})

    def test_that_was_not_kept_says_why(self, page):
        assert "the result has 2000000 bytes, more than the 1048576" in page({"size": 2_000_000, "limit": 1_048_576})

    def test_that_is_damaged_says_so(self, page):
        assert "the result is damaged" in page({"valu": 1})
