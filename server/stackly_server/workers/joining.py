"""Joining: tokens for machines, the first certificate and the next ones."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from stackly_server import limits
from stackly_server.access import Subject, own, require, system
from stackly_server.clock import uuid7
from stackly_server.database import Database, Transaction
from stackly_server.errors import Denied, NotFound, Unauthenticated
from stackly_server.workers import store, token_store
from stackly_server.workers.credentials import (
    BadRequestError,
    TokenSecret,
    WorkerId,
    ends_at,
    key_of_request,
    pin,
    plain_serial,
)  # fmt: skip
from stackly_server.workers.model import (
    Capabilities,
    Challenge,
    JoinToken,
    NewToken,
    Worker,
    claim_problems,
    label_problems,
)  # fmt: skip
from stackly_server.workers.ports import Issuer, Plant
from stackly_server.workers.service import field_problems


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A join token and the content of its join file, which holds the secret."""

    parent: str
    token: JoinToken
    join_file: str


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker with a new certificate: chain and CA certificates are PEM, concatenated."""

    worker: Worker
    certificate_chain: str
    ca_certificates: str


class JoinService:
    """Join tokens, registration and certificates."""

    def __init__(self, database: Database, issuer: Issuer, plant: Plant) -> None:
        self._db = database
        self._issuer = issuer
        self._plant = plant

    async def trust_bundle(self) -> tuple[str, ...]:
        """The certificates that sign workers and servers, PEM each."""
        return tuple(await self._issuer.ca_chain())

    async def create_token(self, subject: Subject, parent: str, new: NewToken) -> MadeToken:
        """Makes a token; its secret is in the join file only."""
        require(subject, "workers.write", parent)
        _, namespace = own(subject, parent, "namespace")
        seconds = new.seconds or limits.JOIN_TOKEN_SECONDS_DEFAULT
        problems = label_problems(new.labels, "join_token.labels")
        if not 0 < seconds <= limits.JOIN_TOKEN_SECONDS_MAX:
            problems["ttl"] = "More than nothing and at most 24 hours."
        if problems:
            raise field_problems(problems)
        secret = TokenSecret.make(uuid7())
        join_file = {"server": self._plant.public_url, "ca_pin": pin(await self.trust_bundle()), "token": str(secret)}
        async with self._db.transaction(subject) as tx:
            namespace_id = await self._namespace(tx, parent, namespace)
            wanted = replace(new, seconds=seconds)
            token = await token_store.insert(tx.conn, tx.account_id, namespace_id, secret.id, secret.hash, wanted)
            tx.tell("join_token.created", f"{parent}/joinTokens/{token.id}", expires_at=token.expires_at.isoformat())
            made = MadeToken(parent, token, json.dumps(join_file))
            tx.result = made
        return made

    async def token_page(self, subject: Subject, parent: str, before: UUID | None, limit: int) -> list[JoinToken]:
        """Tokens of a namespace, newest first, after the token `before`."""
        require(subject, "workers.write", parent)
        _, namespace = own(subject, parent, "namespace")
        async with self._db.read(subject.tenant) as conn:
            namespace_id = await token_store.namespace_id(conn, namespace)
            if namespace_id is None:
                raise NotFound("namespace", parent)
            return await token_store.page(conn, namespace_id, before, limit)

    async def revoke_token(self, subject: Subject, name: str) -> None:
        """Makes a token useless; a worker that joined with it stays."""
        require(subject, "workers.write", name)
        _, namespace, token = own(subject, name, "join token")
        async with self._db.transaction(subject) as tx:
            namespace_id = await self._namespace(tx, name, namespace)
            revoked = await token_store.revoke(tx.conn, namespace_id, _uuid(token, name))
            if revoked is None:
                raise NotFound("join token", name)
            if revoked:
                tx.tell("join_token.revoked", name)

    async def register(self, subject: Subject, token: str, csr: str, claimed: Capabilities, host: str) -> Joined:
        """Joins with a token, or comes again with the key that it is bound to. The token is spent before anything is signed.

        A known worker may come again for as long as it is known, whatever became of the token's time: the request, which
        its key has signed, proves that it is the same. One that was evicted or deleted needs a new token.

        The certificate opens the registry only; once the capabilities are proved, `rotate` gives the one that opens Temporal.
        """
        problems = claim_problems(claimed)
        key = _key(csr, problems)
        secret = TokenSecret.parse(token)
        account_id = await self._account_of(secret)
        if secret is None or account_id is None:
            raise _invalid_token()
        actor = replace(system(account_id, method=subject.method), actor="joinToken", call_id=subject.call_id)
        async with self._db.transaction(actor) as tx:
            worker = await self._admit(tx, secret, key, claimed, host)
        return await self._certify(actor, worker, csr, key, "worker.certified")

    async def rotate(self, subject: Subject, csr: str) -> Joined:
        """A new certificate for a worker, for the key it has or a new one."""
        key = _key(csr, {})
        async with self._db.read(subject.tenant) as conn:
            worker = await store.find(conn, subject.worker_id) if subject.worker_id else None
            if worker is None:
                raise Unauthenticated("WORKER_UNKNOWN", "This worker is not known: register again.")
            if await store.is_banned(conn, key):
                raise _banned()
        return await self._certify(subject, worker, csr, key, "worker.certificate_rotated")

    async def _admit(
        self, tx: Transaction, secret: TokenSecret, key: bytes, claimed: Capabilities, host: str
    ) -> Worker:
        spent = await token_store.spend(tx.conn, secret.id, secret.hash, key)
        if spent is None:
            bound = await token_store.is_bound(tx.conn, secret.id, secret.hash)
            raise _invalid_token("Another key has used the join token up: each machine needs its own." if bound else "")
        tx.subject.actor = spent.name
        if await store.is_banned(tx.conn, key):
            raise _banned()
        arrival = store.Arrival(
            spent.worker_id or uuid7(), f"w-{secrets.token_hex(5)}", key, host, claimed, spent.labels,
            spent.allowed_features, new_challenge(claimed), self._plant.lease_seconds,
        )  # fmt: skip
        if spent.worker_id is None:
            worker = await store.join(tx.conn, tx.account_id, spent.namespace_id, arrival)
        else:
            worker = await store.join_again(tx.conn, arrival)
        if worker is None:
            raise _invalid_token("The worker of this join token was evicted or deleted: it needs a new join token.")
        await token_store.bind(tx.conn, secret.id, worker.id)
        tx.tell("worker.joined" if spent.worker_id is None else "worker.rejoined", worker.name, host=host)
        return worker

    async def _certify(self, actor: Subject, worker: Worker, csr: str, key: bytes, event: str) -> Joined:
        home = worker.temporal_namespace if worker.proved else None
        name = WorkerId(worker.account_id, home, worker.id).spiffe(self._plant.trust_domain)
        signed = await self._issuer.sign_worker(csr, name, self._plant.certificate_seconds)
        bundle = await self.trust_bundle()
        async with self._db.transaction(actor) as tx:
            await token_store.rebind(tx.conn, worker.id, key)
            serial = plain_serial(signed.serial)
            kept = await store.keep_certificate(tx.conn, worker, key, serial, ends_at(signed.certificate))
            if kept is None:  # put out meanwhile: the certificate never leaves us
                raise _banned()
            tx.tell(event, kept.name, serial=serial)
        return Joined(kept, _joined([signed.certificate, *signed.chain]), _joined(bundle))

    async def _account_of(self, secret: TokenSecret | None) -> UUID | None:
        if secret is None:
            return None
        async with self._db.scope("routing") as conn:
            return await token_store.route(conn, secret.id)

    async def _namespace(self, tx: Transaction, name: str, namespace: str) -> UUID:
        found = await token_store.namespace_id(tx.conn, namespace)
        if found is None:
            raise NotFound("namespace", name)
        return found


def new_challenge(claimed: Capabilities) -> Challenge:
    """For every engine that is claimed."""
    return Challenge(uuid7(), secrets.token_hex(16), tuple(dict.fromkeys(claimed.engines)))


def _key(csr: str, problems: dict[str, str]) -> bytes:
    """The hash of the key of a request; Invalid, when that or something else is wrong."""
    try:
        key = key_of_request(csr)
    except BadRequestError as error:
        raise field_problems({**problems, "csr": str(error)}) from error
    if problems:
        raise field_problems(problems)
    return key


def _joined(certificates: Sequence[str]) -> str:
    return "".join(f"{each.strip()}\n" for each in certificates)


def _uuid(text: str, name: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("join token", name) from error


def _invalid_token(why: str = "") -> Unauthenticated:
    return Unauthenticated("JOIN_TOKEN_INVALID", why or "The join token is unknown, revoked or too old.")


def _banned() -> Denied:
    return Denied("WORKER_BANNED", "This worker, or its key, is banned until the worker is deleted.")
