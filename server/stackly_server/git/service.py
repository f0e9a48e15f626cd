"""Pushes: taken in by the webhook, taken up by a workflow, step by step. The payload is a hint; the repository is read."""

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from stackly_server.access import Subject, system
from stackly_server.accounts.repositories import Hooked
from stackly_server.database import Database
from stackly_server.errors import AlreadyExists, Invalid, NotFound, NotNow, StacklyError, TooMuch, Unauthenticated
from stackly_server.git import store
from stackly_server.git.follow import Branch, Follower
from stackly_server.git.push import ChangeAt, Handled, PushRef, RunFor, Scan, Taken
from stackly_server.git.store import InboxRow
from stackly_server.git.webhook import (
    BRANCH,
    Delivery,
    PayloadError,
    Push,
    delivery_from,
    external_id_of,
    parsed,
    push_of,
    signature_fits,
)
from stackly_server.limits import WEBHOOK_BYTES

_NOBODY = secrets.token_bytes(32)
"""Signs for repositories that nobody connected, so that an answer takes as long as for one that somebody did."""
_REFUSAL_SECONDS = 0.05
"""No refusal comes sooner: how long the look-ups took must not tell which repositories are connected."""
_THREAD_BYTES = 256 * 1024
_METHOD = "/stackly.ingress.v1.WebhookService/ReceiveGitHubWebhook"
_OUTCOME_CHARACTERS = 500


class RepositoryLike(Protocol):
    """What of a connected repository is read here."""

    @property
    def slug(self) -> str:
        """The last part of its name."""
        ...

    @property
    def default_ref(self) -> str:
        """The branch whose pushes are deployed."""
        ...


class Repositories(Protocol):
    """Connected repositories."""

    async def hooked(self, external_id: str) -> Hooked | None:
        """The one that a code host calls by its own id, with the secret of its webhook."""
        ...

    async def by_id(self, account_id: UUID, repository_id: UUID) -> RepositoryLike | None:
        """A connected one, or None."""
        ...


class Runs(Protocol):
    """Who makes runs."""

    async def create_for_push(
        self, account_id: UUID, account: str, stack_state_id: UUID, commit: str, delivery_id: str, *, auto_apply: bool
    ) -> str: ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a delivery: whether work follows from it, and why not."""

    delivery_id: str
    accepted: bool
    reason: str = ""


class GitService:
    """Deliveries of code hosts."""

    def __init__(self, db: Database, repositories: Repositories, follower: Follower, runs: Runs) -> None:
        self._db = db
        self._repositories = repositories
        self._follower = follower
        self._runs = runs

    async def receive(self, headers: Mapping[str, str], body: bytes, call_id: str = "") -> Receipt:
        """Checks a delivery's signature over the raw bytes and keeps it; the work comes after.

        Raises:
            Unauthenticated: SIGNATURE_INVALID, for an unknown repository too.
            AlreadyExists: DELIVERY_CHANGED, the id came before with another body.
            Invalid: no delivery of GitHub's.
        """
        if len(body) > WEBHOOK_BYTES:
            raise Invalid("LIMIT_EXCEEDED", "A delivery is at most 25 MiB.", limit="WEBHOOK_BYTES")
        try:
            delivery = delivery_from(headers)
            hooked, payload = await self._known(delivery, body)
            if delivery.event != "push":
                return Receipt(delivery.id, accepted=False, reason=f"{delivery.event} asks for nothing")
            push = push_of(payload)
        except PayloadError as error:
            raise Invalid("VALIDATION_FAILED", f"This is no delivery: {error}.") from error
        if not push.ref.startswith(BRANCH):
            return Receipt(delivery.id, accepted=False, reason="only branches are deployed")
        await self._keep(hooked, delivery, push, body, call_id)
        return Receipt(delivery.id, accepted=True)

    # --- the steps of PushWorkflow; each may be repeated

    async def scan(self, push: PushRef) -> Scan:
        """What the branch's head asks for. Nothing, when a later delivery of the branch will see it."""
        subject, row = await self._row(push)
        if row.handled:
            return Scan(outcome="handled before")
        async with self._db.read(subject.tenant) as conn:
            if await store.newer_waits(conn, row):
                return Scan(outcome="left to a later delivery")
        branch, default = await self._branch(subject, row)
        try:
            return await self._follower.scan(subject, branch, adopt=branch.ref == default)
        except (NotNow, Invalid) as error:
            return Scan(outcome=f"refused: {error.message}")

    async def take(self, at: ChangeAt) -> Taken:
        """Takes up one change, in its own transaction."""
        subject, row = await self._row(at.push)
        branch, _ = await self._branch(subject, row)
        runs = await self._follower.take(subject, branch, at.head, at.change)
        if runs is None:
            return Taken(stale=True)
        return Taken(runs=[RunFor(at.push, str(run.stack_state_id), run.commit, run.auto_apply) for run in runs])

    async def start_run(self, wanted: RunFor) -> str:
        """The name of the run, or why there is none."""
        subject, row = await self._row(wanted.push)
        try:
            return await self._runs.create_for_push(
                subject.tenant, subject.account, UUID(wanted.stack_state_id), wanted.commit, row.delivery_id,
                auto_apply=wanted.auto_apply,
            )  # fmt: skip
        except (NotNow, NotFound, Invalid, TooMuch) as error:
            return _reason(error)

    async def finish(self, end: Handled) -> None:
        """Notes what came of a delivery."""
        subject, row = await self._row(end.push)
        repository = await self._repositories.by_id(subject.tenant, row.repository_id)
        slug = repository.slug if repository else str(row.repository_id)  # disconnected meanwhile
        async with self._db.transaction(subject) as tx:
            if await store.finish_delivery(tx.conn, row.id, end.outcome[:_OUTCOME_CHARACTERS]):
                name = f"accounts/{subject.account}/repositories/{slug}"
                tx.tell("push.handled", name, delivery_id=row.delivery_id, ref=row.ref, outcome=end.outcome[:200])

    # --- inside

    async def _known(self, delivery: Delivery, body: bytes) -> tuple[Hooked, Mapping[str, object]]:
        """The repository that signed a body, and its JSON. Whatever is wrong, the answer is the same, at the same time."""
        loop = asyncio.get_running_loop()
        earliest = loop.time() + _REFUSAL_SECONDS
        try:
            payload = parsed(body) if len(body) < _THREAD_BYTES else await asyncio.to_thread(parsed, body)
            external_id = external_id_of(payload)
        except PayloadError:
            payload, external_id = {}, ""
        hooked = await self._repositories.hooked(external_id or "-")
        secret = hooked.secret.encode() if hooked else _NOBODY
        fits = await asyncio.to_thread(signature_fits, secret, body, delivery.signature)
        if hooked is None or not fits:
            await asyncio.sleep(earliest - loop.time())
            raise Unauthenticated(
                "SIGNATURE_INVALID", "The signature does not fit, or nobody connected the repository."
            )
        return hooked, payload

    async def _keep(self, hooked: Hooked, delivery: Delivery, push: Push, body: bytes, call_id: str) -> None:
        subject = replace(system(hooked.account_id, hooked.account, _METHOD), call_id=call_id)
        repository = hooked.repository
        row = {
            "repository": repository.id, "delivery": delivery.id, "sha256": hashlib.sha256(body).digest(),
            "ref": push.ref, "before": push.before, "after": push.after,
        }  # fmt: skip
        async with self._db.transaction(subject) as tx:
            inbox_id = await store.insert_delivery(tx.conn, tx.account_id, row)
            if inbox_id is None:
                kept = await store.delivery(tx.conn, delivery.id)
                if kept is None or (kept.repository_id, bytes(kept.body_sha256)) != (repository.id, row["sha256"]):
                    raise AlreadyExists("DELIVERY_CHANGED", "A delivery of this id came before with another body.")
                return
            tx.send("push", f"{repository.id}/{push.ref}", {"inbox_id": str(inbox_id)})
            name = f"accounts/{hooked.account}/repositories/{repository.slug}"
            tx.tell("push.received", name, delivery_id=delivery.id, ref=push.ref, commit=push.after)

    async def _row(self, push: PushRef) -> tuple[Subject, InboxRow]:
        account_id = UUID(push.account_id)
        async with self._db.read(account_id) as conn:
            row = await store.inbox_row(conn, UUID(push.inbox_id))
            account = await store.account_name(conn)
        if row is None:
            raise NotFound("delivery", push.inbox_id)
        return system(account_id, account, "push"), row

    async def _branch(self, subject: Subject, row: InboxRow) -> tuple[Branch, str]:
        """The delivery's branch, and the name of the one that is deployed."""
        repository = await self._repositories.by_id(subject.tenant, row.repository_id)
        if repository is None:
            raise NotNow("REPOSITORY_NOT_CONNECTED", "The repository is not connected any more.")
        branch = Branch(subject.tenant, row.repository_id, repository.slug, row.ref.removeprefix(BRANCH))
        return branch, repository.default_ref.removeprefix(BRANCH)


def _reason(error: StacklyError) -> str:
    return f"none: {error.reason}"
