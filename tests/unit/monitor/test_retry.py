"""When a monitor tries again: soon after a failure, later with each one more, and after the longest wait if refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.monitor.retry import Retry, RetryPolicy
from lakeflow_job_meta.state.history import Outcome

FIRST, LONGEST = RetryPolicy().first_seconds, RetryPolicy().longest_seconds

moments = st.floats(0, 1e9)
jitters = st.floats(0, 1)
flags = st.booleans()
retries = st.builds(Retry, st.integers(0, 1000), st.none() | moments)
outcomes = st.sampled_from(Outcome)
successes = st.sampled_from([each for each in Outcome if each not in (Outcome.FAILED, Outcome.IDLE)])


def after(
    retry: Retry,
    outcome: Outcome,
    now: float = 0.0,
    jitter: float = 1.0,
    *,
    refused: bool = False,
    failing: bool = False,
) -> Retry:
    return RetryPolicy().after(retry, outcome, is_refused=refused, is_failing=failing, now=now, jitter=jitter)


def test_the_longest_wait_doubles_with_each_failure_up_to_a_quarter_of_an_hour():
    assert [RetryPolicy().back_off(failures, 1.0) for failures in range(1, 9)] == [15, 30, 60, 120, 240, 480, 900, 900]


@given(st.integers(1, 10_000), jitters, jitters)
def test_each_wait_is_at_least_half_and_at_most_the_longest_one_of_its_failure(failures, jitter, other):
    wait = RetryPolicy().back_off(failures, jitter)

    assert FIRST / 2 <= wait <= LONGEST
    assert wait <= 2 * RetryPolicy().back_off(failures, other)
    assert RetryPolicy().back_off(failures + 1, jitter) >= wait


@given(retries, moments, jitters, flags, flags)
def test_a_failure_counts_and_is_tried_again_within_a_quarter_of_an_hour(retry, now, jitter, refused, failing):
    new = after(retry, Outcome.FAILED, now, jitter, refused=refused, failing=failing)

    assert new.failures_in_a_row == retry.failures_in_a_row + 1
    assert new.due is not None
    assert retry.due is not None or now + FIRST / 2 <= new.due <= now + LONGEST


@given(st.integers(0, 1000), moments, moments, jitters)
def test_another_failure_does_not_put_off_a_try_that_waits_for_its_time(failures, due, now, jitter):
    assert after(Retry(failures, due), Outcome.FAILED, now, jitter).due == due


@given(retries, successes, moments, jitters, flags)
def test_a_success_ends_the_failures_and_leaves_nothing_to_try_again(retry, outcome, now, jitter, failing):
    assert after(retry, outcome, now, jitter, failing=failing) == Retry(0, None)


@given(retries, successes, moments, jitters)
def test_what_is_refused_is_tried_again_after_the_longest_wait(retry, outcome, now, jitter):
    assert after(retry, outcome, now, jitter, refused=True) == Retry(0, now + LONGEST)


@given(retries, moments, jitters, flags, flags)
def test_an_idle_tick_never_moves_the_next_try(retry, now, jitter, refused, failing):
    new = after(retry, Outcome.IDLE, now, jitter, refused=refused, failing=failing)

    assert new.due == retry.due
    assert new.failures_in_a_row == (retry.failures_in_a_row if failing else 0)


@given(moments, moments)
def test_a_try_is_due_at_its_time_and_one_without_a_time_always(due, now):
    assert Retry(1, due).is_due(now) is (now >= due)
    assert Retry(0, None).is_due(now)


@given(st.lists(st.tuples(outcomes, flags, flags, jitters, st.floats(0, 1000)), max_size=50))
def test_in_any_sequence_of_ticks_nothing_waits_longer_than_a_quarter_of_an_hour(ticks):
    retry, now = Retry(), 0.0
    for outcome, refused, failing, jitter, seconds in ticks:
        if retry.is_due(now):
            retry = Retry(retry.failures_in_a_row)
        retry = after(retry, outcome, now, jitter, refused=refused, failing=failing)
        assert retry.due is None or retry.due <= now + LONGEST
        now += seconds
