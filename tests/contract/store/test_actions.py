"""Every verb of people does with a job what its change says: on mongomock, on a server, and in the memory of tests."""

import pytest
from bson import ObjectId

from mongojobs.core.errors import StateError
from mongojobs.core.job import STATES
from mongojobs.core.job_filter import JobFilter
from tests.support.clock import START
from tests.support.jobs import a_job
from tests.support.stores import MINUTE, actions
from tests.support.verbs import STARTS, STORED_STARTS, VERBS, fields_in, given

REFUSED = [(action, state) for action in VERBS for state in STATES if state not in action.stored_states]


@pytest.mark.parametrize(("action", "state"), STORED_STARTS, ids=lambda part: getattr(part, "verb", part))
def test_a_verb_does_with_a_job_what_its_change_says(store, clock, action, state):
    job = a_job(state=state, run_at=START + MINUTE, attempts=3, retries=({"at": START, "by": "ann"},))
    store.insert(job)

    done = actions(store).act(action, job.id, **given(action))

    changed = action.change(clock.now(), **given(action)).applied_to(job)
    assert (done, store.get(job.id)) == (changed or job, changed)


@pytest.mark.parametrize(("action", "state"), REFUSED, ids=lambda part: getattr(part, "verb", part))
def test_a_verb_refuses_a_job_in_another_state_and_says_what_to_do(store, action, state):
    job = a_job(state=state)
    store.insert(job)

    with pytest.raises(StateError) as refused:
        actions(store).act(action, job.id, **given(action))

    what = action.phrase.format(f"the job {job.id}")
    assert str(refused.value) == f"cannot {what}, it is {state}: {action.remedies[state]}"
    assert store.get(job.id) == job


@pytest.mark.parametrize("action", VERBS, ids=lambda action: action.verb)
def test_a_verb_knows_no_job_that_is_not_there(store, action):
    with pytest.raises(StateError, match=r"no job .*: it never existed"):
        actions(store).act(action, ObjectId(), **given(action))


@pytest.mark.parametrize(("action", "state"), STARTS, ids=lambda part: getattr(part, "verb", part))
def test_a_verb_is_done_with_all_jobs_of_a_state(server_store, action, state):
    server_store.insert_many([a_job(**fields_in(state, START)) for _ in range(3)])

    assert actions(server_store).act_on_all(action, JobFilter(), **given(action)) == 3
