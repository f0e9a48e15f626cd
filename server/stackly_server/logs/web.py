"""Temporal's remote codec: JSON `{"payloads": […]}` in, the same out."""

from google.api import httpbody_pb2
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from stackly.ingress.v1 import codec_service_pb2
from stackly_server.access import Subject
from stackly_server.errors import Invalid
from stackly_server.logs.payloads import PayloadService


class CodecServicer:
    """What `temporal --codec-endpoint {public_url}/v1/codec/{namespace}` calls."""

    def __init__(self, payloads: PayloadService) -> None:
        self._payloads = payloads

    async def EncodePayloads(
        self, request: codec_service_pb2.EncodePayloadsRequest, call: Subject
    ) -> httpbody_pb2.HttpBody:
        return _body(await self._payloads.encode(call, request.namespace, _payloads(request.payload)))

    async def DecodePayloads(
        self, request: codec_service_pb2.DecodePayloadsRequest, call: Subject
    ) -> httpbody_pb2.HttpBody:
        return _body(await self._payloads.decode(call, request.namespace, _payloads(request.payload)))


def _payloads(body: httpbody_pb2.HttpBody) -> list[Payload]:
    try:
        return list(json_format.Parse(body.data, Payloads()).payloads)
    except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("VALIDATION_FAILED", 'The body must be JSON of the form {"payloads": [...]}.') from error


def _body(payloads: list[Payload]) -> httpbody_pb2.HttpBody:
    text = json_format.MessageToJson(Payloads(payloads=payloads), indent=None)
    return httpbody_pb2.HttpBody(content_type="application/json", data=text.encode())
