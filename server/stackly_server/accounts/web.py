"""Public documents: the keys that sign tokens, and the OpenAPI document."""

from pathlib import Path

from google.api.httpbody_pb2 import HttpBody

import stackly
from stackly.ingress.v1 import discovery_service_pb2
from stackly_server.access import Subject
from stackly_server.accounts.tokens import Tokens


class DiscoveryServicer:
    """stackly.ingress.v1.DiscoveryService."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._openapi = openapi_document()

    async def GetJwks(self, _request: discovery_service_pb2.GetJwksRequest, _call: Subject) -> HttpBody:
        return HttpBody(content_type="application/jwk-set+json", data=await self._tokens.jwks())

    async def GetOpenApi(self, _request: discovery_service_pb2.GetOpenApiRequest, _call: Subject) -> HttpBody:
        return HttpBody(content_type="application/json", data=self._openapi)


def openapi_document() -> bytes:
    """The document that lies beside the generated code."""
    (folder,) = stackly.__path__
    return (Path(folder) / "openapi.json").read_bytes()
