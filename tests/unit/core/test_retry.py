from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mongojobs.core.retry import LONGEST_DELAY, backoff, delay_after, loss_backoff, with_jitter


@pytest.mark.behaviour("X13")
def test_default_delays_are_those_of_delayed_job():
    assert [backoff(attempts).total_seconds() for attempts in range(1, 6)] == [6, 21, 86, 261, 630]


@given(st.integers(0, 10**9))
def test_delays_never_shrink_and_have_a_limit(attempts):
    assert timedelta(0) < backoff(attempts) <= backoff(attempts + 1) <= LONGEST_DELAY


@given(st.timedeltas(timedelta(0), timedelta(days=300)), st.floats(0, 1), st.floats(0, 1))
def test_jitter_only_lengthens_and_by_its_share_at_most(delay, share, chance):
    jittered = with_jitter(delay, share=share, chance=lambda: chance)

    assert delay <= jittered <= delay + delay * share


@given(st.one_of(st.floats(-1e9, 1e9), st.timedeltas()))
def test_declared_delays_are_kept_within_reason(declared):
    assert timedelta(0) <= delay_after(1, declared) <= LONGEST_DELAY


def test_a_declared_function_gets_the_number_of_failures():
    assert delay_after(3, lambda attempts: attempts * 10) == timedelta(seconds=30)


@pytest.mark.parametrize("given", [2**60, 10**400, 1e20, timedelta.max])
def test_a_function_that_grows_beyond_all_measure_has_a_limit(given):
    assert delay_after(60, lambda _failures: given) == LONGEST_DELAY


@pytest.mark.parametrize("given", ["5m", timedelta(minutes=5), 300])
def test_a_function_may_give_any_duration(given):
    assert delay_after(1, lambda _failures: given) == timedelta(minutes=5)


@pytest.mark.parametrize("given", [None, [60], "soon", float("nan"), float("inf"), True])
def test_a_function_that_returns_no_duration_is_reported(given):
    with pytest.raises(ValueError, match=r"^backoff must be a duration .*, got "):
        delay_after(1, lambda _failures: given)


def test_a_first_loss_waits_for_nothing_and_later_ones_as_failures_do():
    assert [loss_backoff(losses).total_seconds() for losses in (1, 2, 3)] == [0, 6, 21]
