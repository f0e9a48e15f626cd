"""The SDK's messages against Google's: every type, filled by chance, goes through both and back unchanged."""

import json
from importlib import import_module
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.message_strategies import messages
from fakes.stackly_api import SERVICES
from stackly_sdk._gen.google import rpc
from stackly_sdk._gen.stackly import v1
from stackly_sdk.jsonview import as_json

_NOUNS = ("accounts", "events", "policies", "runs", "stacks", "states", "workers")
FILES = [*(import_module(f"stackly.v1.{name}_pb2").DESCRIPTOR for name in _NOUNS), *(each.file for each in SERVICES)]
OURS = [message for file in FILES for message in file.message_types_by_name.values()]
DETAILS = [
    status_pb2.Status.DESCRIPTOR,
    *(
        error_details_pb2.DESCRIPTOR.message_types_by_name[name]
        for name in ("ErrorInfo", "RetryInfo", "BadRequest", "RequestInfo", "ResourceInfo", "QuotaFailure")
    ),
]
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def sdk_class(descriptor: Descriptor) -> Any:
    return getattr(v1 if descriptor.file.package == "stackly.v1" else rpc, descriptor.name)


def test_every_message_of_the_public_package_is_there() -> None:
    assert len(OURS) > 150
    assert [message.name for message in OURS if not hasattr(v1, message.name)] == []


@pytest.mark.parametrize("descriptor", [*OURS, *DETAILS], ids=lambda descriptor: descriptor.full_name)
@quick
@given(data=st.data())
def test_bytes_go_through_both_codecs_unchanged(descriptor: Descriptor, data: st.DataObject) -> None:
    theirs = data.draw(messages(descriptor))
    ours = sdk_class(descriptor).parse(theirs.SerializeToString())
    back = GetMessageClass(descriptor).FromString(bytes(ours))
    assert back == theirs


# Requests and the records of streams are never printed.
PRINTED = [
    each
    for each in OURS
    if not each.name.endswith("Request") and "end" not in each.fields_by_name and each.name != "LogEnd"
]


@pytest.mark.parametrize("descriptor", PRINTED, ids=lambda descriptor: descriptor.full_name)
@quick
@given(data=st.data())
def test_json_is_that_of_the_rest_face(descriptor: Descriptor, data: st.DataObject) -> None:
    theirs = data.draw(messages(descriptor))
    ours = sdk_class(descriptor).parse(theirs.SerializeToString())
    expected = MessageToDict(theirs, always_print_fields_with_no_presence=True)
    assert json.loads(json.dumps(as_json(ours))) == expected
