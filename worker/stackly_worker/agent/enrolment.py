"""Joining: the bundle by its pin, registration with key and token, the proof of each engine."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import grpc.aio

from stackly.v1 import worker_registry_pb2 as messages
from stackly.v1 import workers_pb2
from stackly.v1.worker_registry_pb2_grpc import WorkerRegistryStub
from stackly_worker import wire
from stackly_worker.agent import capabilities, trust
from stackly_worker.agent.engines import Engines
from stackly_worker.agent.identity import Facts, IdentityStore
from stackly_worker.agent.joinfile import JoinFile
from stackly_worker.agent.line import CALL, Line, judged, patient
from stackly_worker.runner.clock import Clock
from stackly_worker.runner.terraform import Engine, EngineMissingError

_PAUSE = 1.0
_log = logging.getLogger(__name__)
_PATIENCE = 300.0  # seconds a joining worker waits for a control plane that does not answer


class CannotJoinError(Exception):
    """The control plane does not take this worker; the message says what to do."""


@dataclass
class Enrolment:
    """How this machine joins and proves itself; safe to repeat. Engines may change meanwhile."""

    store: IdentityStore
    join: JoinFile | None
    engines: Engines
    labels: Mapping[str, str]
    sandbox: str
    clock: Clock
    having: tuple[Engine, ...] = ()

    def claim(self) -> workers_pb2.Capabilities:
        """What is here now; EngineMissingError without any engine. Blocks: each engine is asked for its version."""
        self.having = self.engines.look()
        return capabilities.claim(self.having, self.labels, self.sandbox)

    async def offered(self) -> tuple[str, ...]:
        """The names of what is here at this moment; empty when nothing is."""
        try:
            return tuple(engine.name for engine in await asyncio.to_thread(self.engines.look))
        except EngineMissingError as error:
            _log.error("%s", error)
            return ()

    async def register(self) -> messages.Challenge:
        """Register, or register again by proof of the same key; certificate and facts are then in the store."""
        if self.join is None:
            raise CannotJoinError("this worker has no valid certificate; give it a join file with --join-token-file")
        root = await self._root(self.join)
        answer = await self._registered(self.join, root)
        self.store.keep_certificate(answer.certificate_chain, answer.ca_certificates or root.decode())
        self.store.keep_facts(Facts(answer.worker.name, answer.worker.uid, self.join.server, answer.worker_address))
        return answer.challenge

    async def prove(self, line: Line, challenge: messages.Challenge) -> Facts:
        """Answer a challenge; what the worker needs to work, also in the store. CannotJoinError when it is not proved."""
        try:
            computed, claim = await asyncio.to_thread(self._answers, challenge)
            request = messages.VerifyCapabilitiesRequest(
                challenge_id=challenge.id, answers=computed, capabilities=claim
            )
            answer = await patient(
                lambda: line.registry.VerifyCapabilities(request, timeout=CALL), self.clock, _PATIENCE
            )
        except (capabilities.ChallengeError, EngineMissingError) as error:
            raise CannotJoinError(f"the engines here were not proved: {error}") from error
        except grpc.aio.AioRpcError as error:
            raise _meaning(error) from error
        return self._keep(answer)

    def _answers(self, challenge: messages.Challenge) -> tuple[dict[str, str], workers_pb2.Capabilities]:
        """What the engines say, and what is claimed from now on: one that has no right answer is offered no more."""
        claimed = self.claim()
        computed = capabilities.answers(challenge, self.having)
        for engine in self.having:
            if engine.name in challenge.engines and engine.name not in computed:
                self.engines.reject(engine)
        return computed, claimed if len(computed) == len(challenge.engines) else self.claim()

    def _keep(self, answer: messages.VerifyCapabilitiesResponse) -> Facts:
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

    async def _root(self, join: JoinFile) -> bytes:
        """The pinned root; a server that does not answer is waited for."""
        until = self.clock.monotonic() + _PATIENCE
        while True:
            try:
                return await asyncio.to_thread(trust.pinned_root, join.server, join.ca_pin)
            except trust.UnreachableError:
                if self.clock.monotonic() > until:
                    raise
                await self.clock.sleep(_PAUSE)

    async def _registered(self, join: JoinFile, root: bytes) -> messages.RegisterWorkerResponse:
        claim = await asyncio.to_thread(self.claim)
        request = messages.RegisterWorkerRequest(
            join_token=join.token, csr=self.store.csr(), capabilities=claim, host=capabilities.host()
        )
        channel = wire.open_channel(wire.address(join.server), root)
        stub = WorkerRegistryStub(channel)
        try:
            return await patient(lambda: stub.RegisterWorker(request, timeout=CALL), self.clock, _PATIENCE)
        except grpc.aio.AioRpcError as error:
            raise CannotJoinError(_advice(error)) from error
        finally:
            await channel.close()


def _meaning(error: grpc.aio.AioRpcError) -> Exception:
    meaning = judged(error)
    return meaning if meaning is not error else CannotJoinError(f"the engines here were not proved: {error.details()}")


def _advice(error: grpc.aio.AioRpcError) -> str:
    reason, words = wire.reason(error), error.details() or "no answer"
    if reason == "JOIN_TOKEN_INVALID":
        return f"{words} Make a new join token, put its join file in place of this one, and start the worker again."
    if reason == "WORKER_BANNED":
        return f"{words} An owner of the account can lift the ban by deleting the worker."
    return f"the control plane does not take this worker: {words}"
