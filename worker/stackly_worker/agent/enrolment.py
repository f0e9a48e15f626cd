"""Joining: the bundle by its pin, registration with key and token, the proof of each engine."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import grpc.aio

from stackly.v1 import worker_registry_pb2 as messages
from stackly.v1 import workers_pb2
from stackly.v1.worker_registry_pb2_grpc import WorkerRegistryStub
from stackly_worker import wire
from stackly_worker.agent import capabilities, trust
from stackly_worker.agent.identity import Facts, IdentityStore
from stackly_worker.agent.joinfile import JoinFile
from stackly_worker.agent.line import CALL, Line, judged, patient
from stackly_worker.runner.clock import Clock
from stackly_worker.runner.terraform import Engine

_PATIENCE = 300.0  # seconds a joining worker waits for a control plane that does not answer


class CannotJoinError(Exception):
    """The control plane does not take this worker; the message says what to do."""


@dataclass(frozen=True)
class Enrolment:
    """How this machine joins and proves itself; safe to repeat."""

    store: IdentityStore
    join: JoinFile | None
    having: Sequence[Engine]
    claim: workers_pb2.Capabilities
    clock: Clock

    async def register(self) -> messages.Challenge:
        """Register, or register again by proof of the same key; certificate and facts are then in the store."""
        if self.join is None:
            raise CannotJoinError("this worker has no valid certificate; give it a join file with --join-token-file")
        root = await asyncio.to_thread(trust.pinned_root, self.join.server, self.join.ca_pin)
        answer = await self._registered(self.join, root)
        self.store.keep_certificate(answer.certificate_chain, answer.ca_certificates or root.decode())
        self.store.keep_facts(Facts(answer.worker.name, answer.worker.uid, self.join.server, answer.worker_address))
        return answer.challenge

    async def prove(self, line: Line, challenge: messages.Challenge) -> Facts:
        """Answer a challenge; what the worker needs to work, also in the store."""
        computed = await asyncio.to_thread(capabilities.answers, challenge, self.having)
        request = messages.VerifyCapabilitiesRequest(
            challenge_id=challenge.id, answers=computed, capabilities=self.claim
        )
        try:
            answer = await patient(
                lambda: line.registry.VerifyCapabilities(request, timeout=CALL), self.clock, _PATIENCE
            )
        except grpc.aio.AioRpcError as error:
            raise judged(error) from error
        known = self.store.facts()
        if known is None:
            raise CannotJoinError("the worker's folder was emptied while it joined; start it again")
        facts = replace(
            known,
            temporal_address=answer.temporal_address,
            temporal_namespace=answer.temporal_namespace,
            public_url=answer.public_url,
            task_queues=tuple(answer.task_queues),
        )
        return self.store.keep_facts(facts)

    async def _registered(self, join: JoinFile, root: bytes) -> messages.RegisterWorkerResponse:
        request = messages.RegisterWorkerRequest(
            join_token=join.token, csr=self.store.csr(), capabilities=self.claim, host=capabilities.host()
        )
        channel = wire.open_channel(wire.address(join.server), root)
        stub = WorkerRegistryStub(channel)
        try:
            return await patient(lambda: stub.RegisterWorker(request, timeout=CALL), self.clock, _PATIENCE)
        except grpc.aio.AioRpcError as error:
            raise CannotJoinError(_advice(error)) from error
        finally:
            await channel.close()


def _advice(error: grpc.aio.AioRpcError) -> str:
    reason, words = wire.reason(error), error.details() or "no answer"
    if reason == "JOIN_TOKEN_INVALID":
        return f"{words} Make a new join token, put its join file in place of this one, and start the worker again."
    if reason == "WORKER_BANNED":
        return f"{words} An owner of the account can lift the ban by deleting the worker."
    return f"the control plane does not take this worker: {words}"
