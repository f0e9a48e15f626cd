"""What both clients raise; `test_conformance_blocking` runs this source again for the blocking one."""

from typing import Any

import grpc
import pytest

from fakes.sdk_clients import CODE, async_client
from fakes.stackly_api import Refused
from fakes.stackly_world import FakeStackly
from stackly_sdk import errors
from stackly_sdk.statuses import FieldProblem


async def test_a_reason_has_its_own_class_with_facts(api: FakeStackly) -> None:
    api.faults["CreateRun"].append(Refused(CODE.FAILED_PRECONDITION, "STACK_LOCKED", "It is locked.", holder="ann"))
    async with async_client(api) as s:
        stack = await s.stacks.get("hello")
        with pytest.raises(errors.StackLocked) as caught:
            await stack.deploy()
    assert isinstance(caught.value, errors.FailedPrecondition)
    assert (caught.value.message, caught.value.reason) == ("It is locked.", "STACK_LOCKED")
    assert caught.value.metadata == {"holder": "ann"}
    assert len(api.requests("CreateRun")) == 1


async def test_fields_of_a_bad_request_are_named(api: FakeStackly) -> None:
    fault = Refused(CODE.INVALID_ARGUMENT, "VALIDATION_FAILED", "A field is wrong.", fields={"run.message": "too long"})
    api.faults["CreateRun"].append(fault)
    async with async_client(api) as s:
        stack = await s.stacks.get("hello")
        with pytest.raises(errors.ValidationFailed, match=r"run\.message: too long") as caught:
            await stack.deploy()
    assert caught.value.fields == (FieldProblem("run.message", "too long"),)


@pytest.mark.parametrize(
    ("code", "reason", "kinds"),
    [
        (CODE.NOT_FOUND, "NOT_FOUND", (errors.NotFound,)),
        (CODE.PERMISSION_DENIED, "", (errors.PermissionDenied,)),
        (CODE.INTERNAL, "INTERNAL", (errors.ServerError,)),
        (CODE.ABORTED, "A_REASON_OF_TOMORROW", (errors.Conflict,)),
        # A reason with another status than its usual one is caught by either.
        (CODE.FAILED_PRECONDITION, "CONCURRENT_CHANGE", (errors.ConcurrentChange, errors.FailedPrecondition)),
        (CODE.DATA_LOSS, "", (errors.StacklyError,)),
    ],
)
async def test_errors_are_told_apart_by_reason_and_status(
    api: FakeStackly, code: grpc.StatusCode, reason: str, kinds: tuple[type[errors.StacklyError], ...]
) -> None:
    api.faults["GetStackState"].append(Refused(code, reason))
    async with async_client(api) as s:
        with pytest.raises(errors.StacklyError) as caught:
            await s.stacks.get("hello")
    assert all(isinstance(caught.value, kind) for kind in kinds)
    assert caught.value.request_id


async def test_broken_details_leave_the_status(api: FakeStackly) -> None:
    def broken(_request: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\x0a\xff\xff"),))
        context.abort(CODE.NOT_FOUND, "gone")

    api.handlers["GetStackState"] = broken
    async with async_client(api) as s:
        with pytest.raises(errors.NotFound, match="gone"):
            await s.stacks.get("hello")
