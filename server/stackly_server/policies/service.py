"""Policies: what people do with them, and what is in force for a run."""

from collections.abc import Mapping
from uuid import UUID

from stackly_server.access import Subject, own, require
from stackly_server.database import Connection, Database
from stackly_server.errors import AlreadyExists, Conflict, FieldProblem, Invalid, NotFound, NotNow
from stackly_server.hcl.document import HclError, Problem
from stackly_server.hcl.reader import HclReader
from stackly_server.policies import store
from stackly_server.policies.kept import KeptPolicy, doubts
from stackly_server.policies.model import Facts, Policy, applies
from stackly_server.policies.policyfile import parse_policy

_SHOWN = 20


class PolicyService:
    """Policies of accounts."""

    def __init__(self, db: Database, hcl: HclReader) -> None:
        self._db = db
        self._hcl = hcl

    async def page(self, subject: Subject, parent: str, after: str, limit: int) -> list[KeptPolicy]:
        """By name, after the name `after`."""
        require(subject, "policies.read", parent)
        own(subject, parent, "account")
        async with self._db.read(subject.tenant) as conn:
            return await store.page(conn, after, limit)

    async def get(self, subject: Subject, name: str) -> KeptPolicy:
        """One."""
        require(subject, "policies.read", name)
        async with self._db.read(subject.tenant) as conn:
            return await _found(conn, subject, name)

    async def create(self, subject: Subject, parent: str, hcl: str) -> tuple[KeptPolicy, list[str]]:
        """A new policy, named by the label of its block, and doubts about it.

        Raises:
            Invalid: POLICY_INVALID, each problem with line and column.
        """
        require(subject, "policies.write", parent)
        own(subject, parent, "account")
        policy, groups = await self._parsed(subject.tenant, hcl)
        async with self._db.transaction(subject) as tx:
            made = await store.insert(tx.conn, tx.account_id, subject.actor, policy, hcl)
            name = f"{parent}/policies/{policy.name}"
            if made is None:
                raise AlreadyExists("ALREADY_EXISTS", f"There is a policy {name!r} already.", resource=name)
            tx.tell("policy.created", name, revision="1")
        return made, doubts(policy, groups)

    async def update(self, subject: Subject, name: str, hcl: str, etag: str) -> tuple[KeptPolicy, list[str]]:
        """A new revision; the same text changes nothing, so that approvals given under it still count."""
        require(subject, "policies.write", name)
        own(subject, name, "policy")
        policy, groups = await self._parsed(subject.tenant, hcl)
        if policy.name != name.rpartition("/")[2]:
            problem = FieldProblem("policy.hcl", f"the block is named {policy.name!r}: a policy cannot be renamed")
            raise Invalid("POLICY_INVALID", f"{problem.problem}.", fields=[problem])
        async with self._db.transaction(subject) as tx:
            before = await _found(tx.conn, subject, name, lock=True)
            _check_etag(before, etag, name)
            if before.hcl == hcl:
                return before, doubts(policy, groups)
            after = await store.change(tx.conn, tx.account_id, subject.actor, before, (policy, hcl))
            if after is None:
                raise _mismatch(name, before)
            tx.tell("policy.updated", name, revision=str(after.revision))
        return after, doubts(policy, groups)

    async def delete(self, subject: Subject, name: str, etag: str, *, force: bool) -> None:
        """Deletes it. While stack files name it only by force: their runs are then denied."""
        require(subject, "policies.write", name)
        async with self._db.transaction(subject) as tx:
            policy = await _found(tx.conn, subject, name, lock=True)
            _check_etag(policy, etag, name)
            users = await store.stack_codes_naming(tx.conn, policy.name)
            if users and not force:
                codes = ", ".join(users)
                raise NotNow("POLICY_IN_USE", f"Stack files name the policy: {codes}.", stack_codes=codes)
            await store.delete(tx.conn, policy.id)
            tx.tell("policy.deleted", name, forced=str(force).lower())

    async def validate(
        self, subject: Subject, parent: str, hcl: str
    ) -> tuple[Policy | None, tuple[Problem, ...], list[str]]:
        """The parsed policy, or what is wrong with it; and doubts."""
        require(subject, "policies.read", parent)
        own(subject, parent, "account")
        async with self._db.read(subject.tenant) as conn:
            groups = await store.groups(conn)
        try:
            policy = await self._parse(hcl, groups)
        except HclError as error:
            return None, error.problems, []
        return policy, (), doubts(policy, groups)

    # --- what runs need

    async def in_force(self, conn: Connection, account_id: UUID, facts: Facts) -> tuple[list[Policy], tuple[str, ...]]:  # noqa: ARG002
        """All policies of the account, for `model.evaluate`, and `name@revision` of those that apply, sorted."""
        kept = await store.every(conn)
        applying = sorted(f"{one.name}@{one.revision}" for one in kept if applies(one.policy, facts))
        return [one.policy for one in kept], tuple(applying)

    async def groups(self, conn: Connection, account_id: UUID) -> Mapping[str, int]:  # noqa: ARG002
        """Every group of the account, and how many members are in it."""
        return await store.groups(conn)

    # --- inside

    async def _parsed(self, account_id: UUID, hcl: str) -> tuple[Policy, Mapping[str, int]]:
        async with self._db.read(account_id) as conn:
            groups = await store.groups(conn)
        try:
            return await self._parse(hcl, groups), groups
        except HclError as error:
            raise _invalid(error) from error

    async def _parse(self, hcl: str, groups: Mapping[str, int]) -> Policy:
        return parse_policy(await self._hcl.read(hcl.encode()), groups)


async def _found(conn: Connection, subject: Subject, name: str, *, lock: bool = False) -> KeptPolicy:
    found = await store.find(conn, own(subject, name, "policy")[1], lock=lock)
    if found is None:
        raise NotFound("policy", name)
    return found


def _check_etag(policy: KeptPolicy, etag: str, name: str) -> None:
    if etag and etag != policy.etag:
        raise _mismatch(name, policy)


def _mismatch(name: str, policy: KeptPolicy) -> Conflict:
    return Conflict("ETAG_MISMATCH", f"{name} has changed: read it again.", etag=policy.etag)


def _invalid(error: HclError) -> Invalid:
    first = error.problems[0]
    return Invalid(
        "POLICY_INVALID",
        f"{first}.",
        fields=[FieldProblem("policy.hcl", str(problem)) for problem in error.problems[:_SHOWN]],
        line=str(first.line),
        column=str(first.column),
        line_text=first.line_text,
    )
