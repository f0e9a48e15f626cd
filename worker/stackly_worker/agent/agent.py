"""The agent's life: join or come back, serve task queues, obey directives, renew its certificate, leave politely."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
from temporalio.client import Client
from temporalio.service import GrpcCompression, RPCError, TLSConfig

from stackly.v1 import worker_registry_pb2 as messages
from stackly.worker.v1 import worker_task_service_pb2 as task_messages
from stackly_worker.agent.batches import Batches
from stackly_worker.agent.codec import Key, KeyRing, converter
from stackly_worker.agent.enrolment import CannotJoinError, Enrolment
from stackly_worker.agent.heartbeats import Heartbeats
from stackly_worker.agent.identity import Facts, IdentityStore
from stackly_worker.agent.line import CALL, ForgottenError, Line, give_up, judged, patient
from stackly_worker.agent.queues import Queues
from stackly_worker.agent.rotation import Rotation
from stackly_worker.agent.tasks import Tasks
from stackly_worker.runner.clock import Clock
from stackly_worker.runner.place import write_atomically

_PATIENCE = 300.0
_KEYS_EVERY = 300.0  # seconds between two looks for a new payload key
_LAST_WORDS = 10.0  # seconds for the failures of batches that are left to reach Temporal
_CONNECT_PAUSE = 2.0
_log = logging.getLogger(__name__)


@dataclass
class Agent:
    """One worker. `batches_of` builds the batches once it is known where runners call; `ready` is written when it polls."""

    store: IdentityStore
    enrolment: Enrolment
    clock: Clock
    slots: int
    drain_seconds: float
    batches_of: Callable[[Line, Facts, bytes], Batches]
    ready: Path | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _drained: asyncio.Event = field(default_factory=asyncio.Event)
    _draining: "asyncio.Task[None] | None" = None
    _at_once: asyncio.Event = field(default_factory=asyncio.Event)  # leave batches to their runners, now

    def stop(self) -> None:
        """By signal: take nothing new, give batches a moment, leave their runners alone; asked again: at once."""
        if self._stop.is_set():
            self._at_once.set()
        self._stop.set()

    async def run(self) -> int:
        """0 when it left as asked. CannotJoinError and BannedError say what to do."""
        if not await self._unless_stopped(self._begin()):
            return 0
        while not (self._stop.is_set() or self._drained.is_set()):
            try:
                await self._work()
            except ForgottenError as error:
                _log.warning("%s; registering again", error)
                await self._unless_stopped(self._come_back())
        if self._drained.is_set():
            await self._leave()
        await self._pause()
        return 0

    async def _begin(self) -> None:
        await self._enter()
        self._set_up()
        await self._use_new_client()
        self._queues.serve({*self._facts.task_queues, self._own_queue})
        self._batches.pool.fill()
        if self.ready is not None:
            write_atomically(self.ready, self._facts.name.encode())
        _log.info("%s serves %s", self._facts.name, ", ".join(sorted(self._queues.names)))

    @property
    def _own_queue(self) -> str:
        """Where the control plane asks what became of a batch."""
        return f"{self._facts.temporal_namespace}.w.{self._facts.uid}"

    async def _enter(self) -> None:
        """With the certificate it has while that is good; else it registers and proves its engines."""
        challenge = None if self.store.usable() else await self.enrolment.register()
        self._facts = self._known_facts()
        self._line = Line(self._facts.worker_address, self.store.ca(), self.store.wire_identity())
        if challenge is not None:
            await self._prove(challenge)

    async def _prove(self, challenge: messages.Challenge) -> None:
        """The engines first, then the certificate that opens Temporal: the one from registration does not."""
        self._facts = await self.enrolment.prove(self._line, challenge)
        try:
            await patient(self._renew, self.clock, _PATIENCE)
        except grpc.aio.AioRpcError as error:
            give_up(error)

    def _set_up(self) -> None:
        self._keys = KeyRing(self._fetch_keys)
        self._batches = self.batches_of(self._line, self._facts, self.store.ca())
        self._batches.tidy()
        self._tasks = Tasks(self._batches, self._at_once)
        self._queues = Queues(self._tasks.activities, self.slots, self.clock)
        self._rotation = Rotation(self.clock, self._certificate_life, self._rotate)

    async def _work(self) -> None:
        """Until a signal, a drain, or an error that ends this life of the worker."""
        heartbeats = Heartbeats(
            self._line, self.clock, self._batches.running.values, self._obey, self.enrolment.offered
        )
        lives = (heartbeats.run(), self._rotation.run(), self._refresh_keys(), self._stop.wait(), self._drained.wait())
        tasks = [asyncio.ensure_future(life) for life in lives]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _obey(self, directives: messages.HeartbeatResponse) -> None:
        if directives.rotate:
            self._rotation.ask()
        if directives.drain:
            self._draining = self._draining or asyncio.create_task(self._drain())
            return
        if directives.HasField("reverify"):
            await self._prove_again(directives.reverify)
        self._queues.serve({*directives.task_queues, self._own_queue})

    async def _prove_again(self, challenge: messages.Challenge) -> None:
        """Engines may have changed since the start. What cannot be proved is the control plane's to judge."""
        try:
            self._facts = await self.enrolment.prove(self._line, challenge)
        except CannotJoinError as error:
            _log.error("%s", error)
        else:
            self._batches.equip(self.enrolment.having)

    async def _come_back(self) -> None:
        """Register by proof of the same key; batches under way go on."""
        challenge = await self.enrolment.register()
        self._line.redial(self.store.ca(), self.store.wire_identity())
        await self._prove(challenge)
        self._batches.equip(self.enrolment.having)
        await self._use_new_client()
        if self._draining is None:
            self._queues.serve({*self._facts.task_queues, self._own_queue})

    async def _rotate(self) -> None:
        """One that was refuted gets a certificate without Temporal, until it proves its engines again."""
        await self._renew()
        self._batches.ca = self.store.ca().decode()
        certificate = self.store.certificate()
        if certificate is not None and certificate.opens_temporal:
            await self._use_new_client()
        _log.info("the certificate was renewed")

    async def _renew(self) -> None:
        request = messages.RotateCertificateRequest(csr=self.store.csr())
        answer = await self._line.registry.RotateCertificate(request, timeout=CALL)
        self.store.keep_certificate(answer.certificate_chain, answer.ca_certificates)
        self._line.redial(self.store.ca(), self.store.wire_identity())

    async def _use_new_client(self) -> None:
        self._queues.use(await self._connected())

    async def _connected(self) -> Client:
        """A Temporal client with the current certificate; waits while Temporal does not answer."""
        while True:
            try:
                return await self._connect()
            except (RuntimeError, RPCError) as error:
                _log.warning("Temporal does not answer at %s: %s", self._facts.temporal_address, error)
                await self.clock.sleep(_CONNECT_PAUSE)

    async def _connect(self) -> Client:
        identity, account = self.store.wire_identity(), self._account()
        tls = TLSConfig(
            server_root_ca_cert=self.store.ca(), client_cert=identity.chain, client_private_key=identity.key
        )
        return await Client.connect(
            self._facts.temporal_address,
            namespace=self._facts.temporal_namespace,
            tls=tls,
            data_converter=converter(self._keys, account, self._facts.temporal_namespace),
            identity=f"worker/{self._facts.uid}",
            grpc_compression=GrpcCompression.NONE,  # the door reads requests to see which queue they ask for
        )

    async def _fetch_keys(self) -> list[Key]:
        request = task_messages.GetPayloadKeysRequest()
        answer = await patient(lambda: self._line.tasks.GetPayloadKeys(request, timeout=CALL), self.clock, _PATIENCE)
        return [Key(key.version, key.key) for key in answer.keys]

    async def _refresh_keys(self) -> None:
        while True:
            try:
                await self._keys.refresh()
            except grpc.aio.AioRpcError as error:
                meaning = judged(error)
                if meaning is not error:
                    raise meaning from error
                _log.warning("payload keys cannot be read: %s", error.details())
            await self.clock.sleep(_KEYS_EVERY)

    async def _drain(self) -> None:
        """Take nothing new, let what there is end; heartbeats and renewals go on meanwhile."""
        _log.info("draining")
        self._queues.serve({self._own_queue})
        await self._queues.ended()
        self._queues.serve(())
        await self._queues.ended()
        self._drained.set()

    async def _leave(self) -> None:
        """Go for good: this worker has nothing left."""
        request = messages.DeregisterWorkerRequest(reason="drained")
        try:
            await self._line.registry.DeregisterWorker(request, timeout=CALL)
        except grpc.aio.AioRpcError as error:
            _log.warning("the control plane was not told that this worker left: %s", error.details())

    async def _pause(self) -> None:
        """Stop polling; runners work on without an agent and are found again by the next one."""
        self._queues.serve(())
        ended = asyncio.create_task(self._queues.ended())
        stopping = asyncio.create_task(self._at_once.wait())
        await asyncio.wait({ended, stopping}, timeout=self.drain_seconds, return_when=asyncio.FIRST_COMPLETED)
        self._at_once.set()
        await asyncio.wait({ended}, timeout=_LAST_WORDS)
        for task in (ended, stopping):
            task.cancel()
        self._batches.pool.close()

    async def _unless_stopped(self, work: Awaitable[None]) -> bool:
        """Do it, or let it be as soon as a signal says so; whether it was done."""
        working, stopping = asyncio.ensure_future(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            return working.done()
        finally:
            working.cancel()
            stopping.cancel()

    def _known_facts(self) -> Facts:
        facts = self.store.facts()
        if facts is None:
            raise CannotJoinError("the worker's folder was emptied while it started; start it again")
        return facts

    def _certificate_life(self) -> tuple[float, float]:
        life = self.store.certificate_life()
        if life is None:
            raise ForgottenError("the worker's certificate is gone")
        return life

    def _account(self) -> str:
        certificate = self.store.certificate()
        if certificate is None:
            raise ForgottenError("the worker's certificate is gone")
        return certificate.account
