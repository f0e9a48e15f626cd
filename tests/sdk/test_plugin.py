"""What the plugin writes: a client method for each RPC of the public API, blocking and async alike."""

import inspect
from importlib import import_module
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor

from fakes.stackly_api import SERVICES
from plugin import twins
from stackly.options.v1 import options_pb2
from stackly.v1 import error_reason_pb2
from stackly_sdk import errors
from stackly_sdk._gen.reasons import REASONS
from stackly_sdk.statuses import STATUSES
from stackly_sdk.wire import Idempotency

METHODS = [method for service in SERVICES for method in service.methods]
PUBLIC = (options_pb2.AUDIENCE_USER, options_pb2.AUDIENCE_ANONYMOUS)


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def rule(method: MethodDescriptor) -> Any:
    return method.GetOptions().Extensions[options_pb2.rule]  # type: ignore[index]


def clients(method: MethodDescriptor) -> tuple[Any, type, type]:
    service = method.containing_service.name
    module = import_module(f"stackly_sdk._gen.clients.{snake(service)}")
    return module, getattr(module, f"{service}Client"), getattr(module, f"Async{service}Client")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_each_public_method_has_a_blocking_and_an_async_client(method: MethodDescriptor) -> None:
    module, blocking, aio = clients(method)
    name = snake(method.name)
    if rule(method).audience not in PUBLIC:
        assert not hasattr(blocking, name)
        return
    one, other = (inspect.signature(getattr(client, name)).parameters for client in (blocking, aio))
    assert [*one] == [*other]
    asked = {f"server_{field.name}" if field.name == "timeout" else field.name for field in method.input_type.fields}
    assert {*one} - {"self"} == asked | {"timeout"}
    document = inspect.getdoc(getattr(blocking, name)) or ""
    assert all(f"{argument}: " in document for argument in asked)
    specification = getattr(module, f"_{name.upper()}")
    assert specification.path == f"/{method.containing_service.full_name}/{method.name}"
    idempotency = options_pb2.Idempotency.Name(rule(method).idempotency).removeprefix("IDEMPOTENCY_")
    assert specification.idempotency is Idempotency[idempotency]


def test_each_reason_has_a_class_below_a_status() -> None:
    words = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name} - {
        "UNSPECIFIED"
    }
    assert set(REASONS) == words
    assert all(issubclass(kind, tuple(STATUSES.values())) for kind in REASONS.values())
    assert issubclass(errors.StackLocked, errors.FailedPrecondition)
    assert issubclass(errors.TokenExpired, errors.LoginRequired)


def test_async_words_become_blocking_ones() -> None:
    source = "async def f(g: Callable[[], Awaitable[dict[str, list[int]]]]) -> AsyncIterator[int]:\n    await g()\n"
    assert twins.blocking_words(source) == "def f(g: Callable[[], dict[str, list[int]]]) -> Iterator[int]:\n    g()\n"


def test_a_word_without_a_twin_is_refused() -> None:
    with pytest.raises(ValueError, match="asyncio"):
        twins.blocking("import asyncio\n", "x.py")
