"""The webhook of code hosts: raw body and headers in, a small JSON document out."""

import json

from google.api.httpbody_pb2 import HttpBody

from stackly.ingress.v1 import webhook_service_pb2
from stackly_server.access import Subject
from stackly_server.git.service import GitService


class WebhookServicer:
    """stackly.ingress.v1.WebhookService."""

    def __init__(self, service: GitService) -> None:
        self._service = service

    async def ReceiveGitHubWebhook(
        self, request: webhook_service_pb2.ReceiveGitHubWebhookRequest, call: Subject
    ) -> HttpBody:
        receipt = await self._service.receive(call.headers, request.payload.data, call.call_id)
        answer = {"deliveryId": receipt.delivery_id, "accepted": receipt.accepted, "reason": receipt.reason}
        return HttpBody(content_type="application/json", data=json.dumps(answer).encode())
