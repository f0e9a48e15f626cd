"""Which failures are tried again, how long after, and that both clients do so alike."""

import asyncio
from collections.abc import Iterator

import grpc
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.stackly_api import API_KEY, Refused
from fakes.stackly_world import FakeStackly
from stackly_sdk import AsyncStackly, RetryPolicy, Stackly, StacklyError
from stackly_sdk.retries import Attempts, Budget, may_repeat
from stackly_sdk.statuses import STATUSES, Canceled, RateLimited, ServerError, Unavailable
from stackly_sdk.wire import Idempotency

REPEATABLE = [each for each in Idempotency if each is not Idempotency.NEVER]
errors = st.builds(
    lambda kind, reason, retry: kind("no", reason=reason, retry_after=retry),
    st.sampled_from(sorted(STATUSES.values(), key=lambda kind: kind.code)),
    st.sampled_from(["", "SHUTTING_DOWN", "STREAM_LAGGING", "RATE_LIMITED"]),
    st.none() | st.floats(0, 60),
)


@given(errors)
def test_a_call_that_must_not_be_repeated_never_is(error: StacklyError) -> None:
    assert not may_repeat(error, Idempotency.NEVER)


@given(errors, st.sampled_from(list(Idempotency)))
def test_only_an_answer_that_is_none_is_asked_for_again(error: StacklyError, idempotency: Idempotency) -> None:
    assume(idempotency is not Idempotency.STREAM)
    if may_repeat(error, idempotency):
        waits = isinstance(error, RateLimited) and error.retry_after is not None
        assert isinstance(error, Unavailable) or waits


@pytest.mark.parametrize("idempotency", REPEATABLE)
def test_unavailable_is_tried_again_unless_the_certificate_is_not_trusted(idempotency: Idempotency) -> None:
    assert may_repeat(Unavailable("connection refused"), idempotency)
    assert not may_repeat(Unavailable("Ssl handshake failed: CERTIFICATE_VERIFY_FAILED"), idempotency)


@pytest.mark.parametrize(
    "error", [Canceled("GOAWAY"), ServerError("RST_STREAM"), RateLimited("", reason="STREAM_LAGGING")]
)
def test_a_stream_that_was_cut_goes_on(error: StacklyError) -> None:
    assert may_repeat(error, Idempotency.STREAM)
    assert not may_repeat(error, Idempotency.READ)


@given(st.lists(st.none() | st.floats(0, 30), max_size=20), st.floats(0.1, 60), st.floats(0, 1))
def test_delays_are_jittered_bounded_and_never_beyond_the_deadline(
    asked: list[float | None], timeout: float, part: float
) -> None:
    now = 1000.0
    policy = RetryPolicy()
    attempts = Attempts(
        policy, Idempotency.READ, now + timeout, clock=lambda: now, chance=lambda low, high: low + part * (high - low)
    )
    for count, retry_after in enumerate(asked):
        delay = attempts.delay(Unavailable("", reason="SHUTTING_DOWN", retry_after=retry_after))
        if delay is None:
            due = max(part * policy.ceiling(count), retry_after or 0.0)
            assert count + 1 >= policy.attempts or now + due >= 1000.0 + timeout
            break
        assert delay <= max(policy.longest, retry_after or 0.0)
        assert delay >= (retry_after or 0.0)
        now += delay
        assert now < 1000.0 + timeout
    assert attempts.failures < policy.attempts


def test_the_ceiling_doubles_from_a_fifth_of_a_second_to_ten() -> None:
    policy = RetryPolicy()
    assert [policy.ceiling(n) for n in (0, 1, 2, 5, 6, 1000)] == [0.2, 0.4, 0.8, 6.4, 10.0, 10.0]


@given(st.lists(st.booleans(), max_size=300))
def test_retries_stay_a_tenth_of_the_calls(steps: list[bool]) -> None:
    budget = Budget()
    calls = retries = 0
    for is_call in steps:
        if is_call:
            budget.earn()
            calls += 1
        else:
            retries += budget.spend()
        assert retries <= 10 + calls / 10 + 1e-6


@pytest.fixture(scope="module")
def shared_api() -> Iterator[FakeStackly]:
    fake = FakeStackly()
    fake.start()
    yield fake
    fake.stop()


FAULTS = st.lists(
    st.sampled_from(
        [
            (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"),
            (grpc.StatusCode.UNAVAILABLE, ""),
            (grpc.StatusCode.FAILED_PRECONDITION, "STACK_LOCKED"),
            (grpc.StatusCode.INTERNAL, "INTERNAL"),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"),
        ]
    ),
    max_size=5,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=FAULTS)
def test_both_clients_do_alike(shared_api: FakeStackly, faults: list[tuple[grpc.StatusCode, str]]) -> None:
    ends = next((n for n, (code, _) in enumerate(faults) if code is not grpc.StatusCode.UNAVAILABLE), None)
    expected = (len(faults) + 1 if ends is None else ends + 1, "" if ends is None else faults[ends][1])
    for deploy in (deploy_blocking, lambda api: asyncio.run(deploy_async(api))):
        shared_api.calls.clear()
        shared_api.faults["CreateRun"].clear()
        shared_api.faults["CreateRun"].extend(Refused(code, reason) for code, reason in faults)
        reason = deploy(shared_api)
        asked = shared_api.requests("CreateRun")
        assert (len(asked), reason) == expected
        assert len({request.request_id for request in asked}) == 1


def deploy_blocking(api: FakeStackly) -> str:
    with Stackly(endpoint=api.url, api_key=API_KEY, retries=RetryPolicy(first=0.001)) as s:
        try:
            s.stacks.get("pure").deploy()
        except StacklyError as error:
            return error.reason
    return ""


async def deploy_async(api: FakeStackly) -> str:
    async with AsyncStackly(endpoint=api.url, api_key=API_KEY, retries=RetryPolicy(first=0.001)) as s:
        try:
            await (await s.stacks.get("pure")).deploy()
        except StacklyError as error:
            return error.reason
    return ""
