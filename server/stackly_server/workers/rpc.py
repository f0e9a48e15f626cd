"""WorkerRegistry on the wire."""

import hashlib
from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from stackly.v1 import worker_registry_pb2 as registry_pb2
from stackly.v1 import workers_pb2
from stackly_server.access import Subject
from stackly_server.errors import Invalid
from stackly_server.pages import Pages
from stackly_server.workers.joining import JoinService, MadeToken
from stackly_server.workers.living import LivingService
from stackly_server.workers.model import Capabilities, Challenge, JoinToken, NewToken, Worker
from stackly_server.workers.service import WorkerService, etag_of

_BUNDLE_SECONDS = 3600


class WorkerRegistryServicer:
    """Each method: message to values, one call, values to message."""

    def __init__(self, workers: WorkerService, joining: JoinService, living: LivingService, pages: Pages) -> None:
        self._workers = workers
        self._joining = joining
        self._living = living
        self._pages = pages

    async def CreateJoinToken(
        self, request: registry_pb2.CreateJoinTokenRequest, call: Subject
    ) -> registry_pb2.CreateJoinTokenResponse:
        call.encode = lambda made: _made_to_proto(made).SerializeToString()
        new = NewToken(
            request.join_token.display_name,
            dict(request.join_token.labels),
            tuple(request.join_token.allowed_features),
            request.ttl.ToSeconds() if request.HasField("ttl") else 0,
        )
        return _made_to_proto(await self._joining.create_token(call, request.parent, new))

    async def ListJoinTokens(
        self, request: registry_pb2.ListJoinTokensRequest, call: Subject
    ) -> registry_pb2.ListJoinTokensResponse:
        size, scope = self._pages.size(request.page_size), f"ListJoinTokens|{request.parent}"
        before = _cursor(await self._pages.open(request.page_token, scope, call))
        rows = await self._joining.token_page(call, request.parent, before, size + 1)
        return registry_pb2.ListJoinTokensResponse(
            join_tokens=[token_to_proto(request.parent, row) for row in rows[:size]],
            next_page_token=await self._pages.next(rows, size, lambda row: (row.id,), scope, call),
        )

    async def RevokeJoinToken(
        self, request: registry_pb2.RevokeJoinTokenRequest, call: Subject
    ) -> registry_pb2.RevokeJoinTokenResponse:
        await self._joining.revoke_token(call, request.name)
        return registry_pb2.RevokeJoinTokenResponse()

    async def ListWorkers(
        self, request: registry_pb2.ListWorkersRequest, call: Subject
    ) -> registry_pb2.ListWorkersResponse:
        size, scope = self._pages.size(request.page_size), f"ListWorkers|{request.parent}"
        before = _cursor(await self._pages.open(request.page_token, scope, call))
        rows = await self._workers.page(call, request.parent, before, size + 1)
        queues = await self._workers.queues(call, rows[:size])
        return registry_pb2.ListWorkersResponse(
            workers=[worker_to_proto(row, queues[row.id]) for row in rows[:size]],
            next_page_token=await self._pages.next(rows, size, lambda row: (row.id,), scope, call),
        )

    async def GetWorker(self, request: registry_pb2.GetWorkerRequest, call: Subject) -> registry_pb2.GetWorkerResponse:
        return registry_pb2.GetWorkerResponse(
            worker=await self._shown(call, await self._workers.get(call, request.name))
        )

    async def UpdateWorker(
        self, request: registry_pb2.UpdateWorkerRequest, call: Subject
    ) -> registry_pb2.UpdateWorkerResponse:
        masked = set(request.update_mask.paths)
        if masked - {"schedulable"}:
            raise Invalid("VALIDATION_FAILED", "Only schedulable of a worker can be changed.")
        if not request.worker.HasField("schedulable"):
            raise Invalid("UPDATE_EMPTY", "The update sets nothing: give worker.schedulable.")
        worker = await self._workers.set_schedulable(
            call, request.worker.name, request.worker.etag, schedulable=request.worker.schedulable
        )
        return registry_pb2.UpdateWorkerResponse(worker=await self._shown(call, worker))

    async def DrainWorker(
        self, request: registry_pb2.DrainWorkerRequest, call: Subject
    ) -> registry_pb2.DrainWorkerResponse:
        worker = await self._workers.drain(call, request.name)
        return registry_pb2.DrainWorkerResponse(worker=await self._shown(call, worker))

    async def EvictWorker(
        self, request: registry_pb2.EvictWorkerRequest, call: Subject
    ) -> registry_pb2.EvictWorkerResponse:
        worker = await self._workers.evict(call, request.name, request.reason)
        return registry_pb2.EvictWorkerResponse(worker=worker_to_proto(worker, ()))

    async def BanWorker(self, request: registry_pb2.BanWorkerRequest, call: Subject) -> registry_pb2.BanWorkerResponse:
        worker = await self._workers.ban(call, request.name, request.reason)
        return registry_pb2.BanWorkerResponse(worker=worker_to_proto(worker, ()))

    async def DeleteWorker(
        self, request: registry_pb2.DeleteWorkerRequest, call: Subject
    ) -> registry_pb2.DeleteWorkerResponse:
        await self._workers.delete(call, request.name)
        return registry_pb2.DeleteWorkerResponse()

    async def GetTrustBundle(
        self, _request: registry_pb2.GetTrustBundleRequest, _call: Subject
    ) -> registry_pb2.GetTrustBundleResponse:
        bundle = "".join(await self._joining.trust_bundle())
        sequence = int.from_bytes(hashlib.sha256(bundle.encode()).digest()[:7], "big")
        return registry_pb2.GetTrustBundleResponse(
            ca_certificates=bundle, sequence=sequence, refresh_seconds=_BUNDLE_SECONDS
        )

    async def RegisterWorker(
        self, request: registry_pb2.RegisterWorkerRequest, call: Subject
    ) -> registry_pb2.RegisterWorkerResponse:
        claimed = capabilities_from_proto(request.capabilities)
        joined = await self._joining.register(call, request.join_token, request.csr, claimed, request.host)
        return registry_pb2.RegisterWorkerResponse(
            worker=worker_to_proto(joined.worker, ()),
            certificate_chain=joined.certificate_chain,
            ca_certificates=joined.ca_certificates,
            worker_address=self._living.plant.worker_address,
            challenge=_challenge_to_proto(joined.worker.challenge),
        )

    async def VerifyCapabilities(
        self, request: registry_pb2.VerifyCapabilitiesRequest, call: Subject
    ) -> registry_pb2.VerifyCapabilitiesResponse:
        claimed = capabilities_from_proto(request.capabilities)
        worker, queues = await self._living.verify(call, request.challenge_id, dict(request.answers), claimed)
        return registry_pb2.VerifyCapabilitiesResponse(
            worker=worker_to_proto(worker, queues),
            temporal_address=self._living.plant.temporal_front,
            temporal_namespace=worker.temporal_namespace,
            task_queues=queues,
            public_url=self._living.plant.public_url,
        )

    async def Heartbeat(self, request: registry_pb2.HeartbeatRequest, call: Subject) -> registry_pb2.HeartbeatResponse:
        told = await self._living.heartbeat(
            call, list(request.running_runs), request.acknowledged, request.wait_seconds, first=request.first,
            engines=tuple(request.engines),
        )  # fmt: skip
        return registry_pb2.HeartbeatResponse(
            lease_expires_at=_at(told.worker.lease_expires_at),
            sequence=told.sequence,
            task_queues=told.task_queues,
            drain=told.drain,
            reverify=_challenge_to_proto(told.reverify),
            rotate=told.rotate,
        )

    async def RotateCertificate(
        self, request: registry_pb2.RotateCertificateRequest, call: Subject
    ) -> registry_pb2.RotateCertificateResponse:
        joined = await self._joining.rotate(call, request.csr)
        return registry_pb2.RotateCertificateResponse(
            certificate_chain=joined.certificate_chain,
            ca_certificates=joined.ca_certificates,
            expires_at=_at(joined.worker.certificate_expires_at),
        )

    async def DeregisterWorker(
        self, request: registry_pb2.DeregisterWorkerRequest, call: Subject
    ) -> registry_pb2.DeregisterWorkerResponse:
        await self._living.leave(call, request.reason)
        return registry_pb2.DeregisterWorkerResponse()

    async def _shown(self, call: Subject, worker: Worker) -> workers_pb2.Worker:
        queues = await self._workers.queues(call, [worker])
        return worker_to_proto(worker, queues[worker.id])


def worker_to_proto(worker: Worker, queues: tuple[str, ...]) -> workers_pb2.Worker:
    return workers_pb2.Worker(
        name=worker.name,
        uid=str(worker.id),
        etag=etag_of(worker),
        host=worker.host,
        capabilities=capabilities_to_proto(worker.capabilities),
        verified_capabilities=capabilities_to_proto(worker.verified),
        status=f"WORKER_STATUS_{worker.status.value}",
        schedulable=worker.schedulable,
        lease_expires_at=_at(worker.lease_expires_at),
        certificate_serial=worker.certificate_serial,
        certificate_expires_at=_at(worker.certificate_expires_at),
        task_queues=queues,
        running_runs=worker.running_runs,
        created_at=_at(worker.created_at),
        updated_at=_at(worker.updated_at),
    )


def capabilities_to_proto(have: Capabilities) -> workers_pb2.Capabilities:
    return workers_pb2.Capabilities(**have.to_json())


def capabilities_from_proto(message: workers_pb2.Capabilities) -> Capabilities:
    return Capabilities(
        frozenset(message.features),
        dict(message.labels),
        message.cpus,
        message.memory_bytes,
        message.version,
        tuple(message.engines),
        message.platform,
        message.sandbox,
    )


def token_to_proto(parent: str, token: JoinToken) -> workers_pb2.JoinToken:
    return workers_pb2.JoinToken(
        name=f"{parent}/joinTokens/{token.id}",
        uid=str(token.id),
        display_name=token.display_name,
        labels=token.labels,
        allowed_features=token.allowed_features,
        expires_at=_at(token.expires_at),
        used_at=_at(token.used_at) if token.used_at else None,
        created_at=_at(token.created_at),
    )


def _made_to_proto(made: MadeToken) -> registry_pb2.CreateJoinTokenResponse:
    return registry_pb2.CreateJoinTokenResponse(
        join_token=token_to_proto(made.parent, made.token), join_file=made.join_file
    )


def _challenge_to_proto(challenge: Challenge | None) -> registry_pb2.Challenge | None:
    if challenge is None:
        return None
    return registry_pb2.Challenge(id=str(challenge.id), nonce=challenge.nonce, engines=challenge.engines)


def _at(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _cursor(key: tuple[str | int, ...] | None) -> UUID | None:
    return UUID(str(key[0])) if key else None
