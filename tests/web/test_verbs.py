"""Every verb of the table has a button on the pages of the jobs it applies to."""

from datetime import UTC, datetime

import pytest

from tests.support.jobs import a_job
from tests.support.verbs import STARTS, fields_in, given

pytestmark = pytest.mark.parametrize(("action", "state"), STARTS, ids=lambda part: getattr(part, "verb", part))


@pytest.fixture
def job(app, state):
    now = datetime.now(UTC).replace(microsecond=0)
    job = a_job(created_at=now, **fields_in(state, now))
    app.store.insert(job)
    return job


@pytest.fixture
def told(app):
    """The changes that were reported."""
    told = []
    app.lifecycle.on_notice(told.append)
    return told


def test_a_verb_has_a_button_on_the_page_of_a_job(operator, job, action):
    page = operator.text(f"/job?id={job.id}")

    assert f'name="action" value="{action.verb}"' in page
    assert f">{action.label}" in page
    assert [name for name in action.asks_for if f'name="{name}"' not in page] == []


def test_a_verb_has_a_button_in_a_list(operator, job, action, state):
    assert f'name="action" value="{action.verb}"' in operator.text(f"/jobs?state={state}")


def test_a_button_does_it_and_says_so(operator, job, action, told):
    form = {"action": action.verb, "id": str(job.id), "confirmed": "1", **given(action)}

    shown = operator.text(operator.post("/job/change", form).headers["Location"])

    assert f"1 job {action.outcome}." in shown
    assert [(notice.user, notice.action, notice.count) for notice in told] == [("olga", action.verb, 1)]


def test_a_button_does_it_with_all_that_match(operator, job, action, state, told):
    form = {"action": action.verb, "all": "1", "state": state, "confirmed": "1", **given(action)}

    shown = operator.text(operator.post("/jobs/change", form).headers["Location"])

    assert f"1 job {action.outcome}." in shown
    assert [notice.count for notice in told] == [1]
