"""Policies: made, changed, deleted; and what is in force."""

from typing import TYPE_CHECKING

import pytest

from pushing import World
from stackly_server.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound, NotNow
from stackly_server.hcl.reader import HclReader
from stackly_server.policies.model import Facts
from stackly_server.policies.service import PolicyService

if TYPE_CHECKING:
    from api import Tenant
    from stackly_server.app import Ground

PROD = 'policy "prod" {\n  environment = "prod"\n  approval {\n    min_approvers  = 2\n    allowed_groups = ["admins"]\n    expires = "2d"\n  }\n}\n'
ALL = 'policy "all" {\n  approval {\n  }\n}\n'
NAME = "accounts/dev/policies/prod"


async def member(ground: "Ground", dev: "Tenant", login: str, groups: list[str]) -> None:
    from stackly_server.clock import uuid7

    async with ground.database.transaction(dev.subject()) as tx:
        await tx.conn.execute(
            "INSERT INTO members (account_id, id, login, roles, groups) VALUES (%s, %s, %s, '{viewer}', %s)",
            (dev.account_id, uuid7(), login, groups),
        )


@pytest.fixture
async def policies(ground: "Ground", dev: "Tenant", hcl_reader: HclReader) -> PolicyService:
    await member(ground, dev, "bob", ["admins", "net"])
    await member(ground, dev, "eve", ["admins"])
    return PolicyService(ground.database, hcl_reader)


async def test_a_policy_is_made_read_and_listed(policies: PolicyService, dev: "Tenant") -> None:
    made, doubts = await policies.create(dev.subject(), "accounts/dev", PROD)
    assert (made.name, made.revision, made.hcl, doubts) == ("prod", 1, PROD, [])
    assert (made.policy.approvals[0].min_approvers, made.policy.approvals[0].expires_seconds) == (2, 2 * 86400)
    assert await policies.get(dev.subject(), NAME) == made
    await policies.create(dev.subject(), "accounts/dev", ALL)
    assert [one.name for one in await policies.page(dev.subject(), "accounts/dev", "", 10)] == ["all", "prod"]
    assert [one.name for one in await policies.page(dev.subject(), "accounts/dev", "all", 10)] == ["prod"]
    with pytest.raises(AlreadyExists):
        await policies.create(dev.subject(), "accounts/dev", PROD)


async def test_a_new_text_is_a_new_revision_and_the_same_text_is_none(policies: PolicyService, dev: "Tenant") -> None:
    made, _ = await policies.create(dev.subject(), "accounts/dev", PROD)
    same, _ = await policies.update(dev.subject(), NAME, PROD, made.etag)
    assert same == made
    looser = PROD.replace("2", "1", 1)
    after, _ = await policies.update(dev.subject(), NAME, looser, made.etag)
    assert (after.revision, after.policy.approvals[0].min_approvers) == (2, 1)
    with pytest.raises(Conflict):
        await policies.update(dev.subject(), NAME, PROD, made.etag)
    with pytest.raises(Invalid):
        await policies.update(dev.subject(), NAME, ALL, "")


async def test_every_revision_is_kept(policies: PolicyService, ground: "Ground", dev: "Tenant") -> None:
    await policies.create(dev.subject(), "accounts/dev", PROD)
    await policies.update(dev.subject(), NAME, PROD + "\n", "")
    await policies.delete(dev.subject(), NAME, "", force=False)
    async with ground.database.read(dev.account_id) as conn:
        cursor = await conn.execute("SELECT revision, hcl, actor FROM policy_revisions ORDER BY revision")
        assert await cursor.fetchall() == [
            (1, PROD, "accounts/dev/members/ann"),
            (2, PROD + "\n", "accounts/dev/members/ann"),
        ]
    again, _ = await policies.create(dev.subject(), "accounts/dev", PROD)
    assert again.revision == 1


@pytest.mark.parametrize(
    ("hcl", "line", "words"),
    [
        (PROD.replace("admins", "nobody"), "5", "does not exist"),
        (PROD.replace("approval", "aproval"), "3", "approval"),
        ('policy "a" {\n  approval {\n', "3", ""),
        ('policy "a" {\n  schedule {\n  }\n}\n', "2", "not supported yet"),
        ("", "1", "no policy block"),
        ('policy "a" {\n  approval {\n    x = ' + "[" * 1000 + "]" * 1000 + "\n  }\n}\n", "3", ""),
    ],
)
async def test_a_bad_text_is_refused_with_its_place(
    policies: PolicyService, dev: "Tenant", hcl: str, line: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await policies.create(dev.subject(), "accounts/dev", hcl)
    error = caught.value
    assert (error.reason, error.facts["line"]) == ("POLICY_INVALID", line)
    assert error.fields[0].field == "policy.hcl"
    assert f"line {line}, column " in error.fields[0].problem
    assert words in error.message
    _, problems, _ = await policies.validate(dev.subject(), "accounts/dev", hcl)
    assert str(problems[0].line) == line


async def test_what_cannot_be_met_is_doubted(policies: PolicyService, dev: "Tenant") -> None:
    policy, problems, doubts = await policies.validate(dev.subject(), "accounts/dev", PROD.replace("= 2", "= 3"))
    assert (policy is not None, problems) == (True, ())
    assert "cannot be met" in doubts[0]


async def test_those_in_force_are_named_with_their_revision(
    policies: PolicyService, ground: "Ground", dev: "Tenant", rival: "Tenant"
) -> None:
    await policies.create(dev.subject(), "accounts/dev", PROD)
    await policies.create(dev.subject(), "accounts/dev", ALL)
    await policies.update(dev.subject(), "accounts/dev/policies/all", ALL + "\n", "")
    async with ground.database.read(dev.account_id) as conn:
        every, names = await policies.in_force(conn, dev.account_id, Facts("x", environment="prod"))
        _, elsewhere = await policies.in_force(conn, dev.account_id, Facts("x", environment="dev"))
        _, by_name = await policies.in_force(conn, dev.account_id, Facts("x", policies=("prod",)))
        assert await policies.groups(conn, dev.account_id) == {"admins": 2, "net": 1}
    assert ([one.name for one in every], names) == (["all", "prod"], ("all@2", "prod@1"))
    assert (elsewhere, by_name) == (("all@2",), ("all@2", "prod@1"))
    async with ground.database.read(rival.account_id) as conn:
        assert await policies.in_force(conn, rival.account_id, Facts("x")) == ([], ())


async def test_one_that_a_stack_file_names_is_deleted_only_by_force(policies: PolicyService, world: World) -> None:
    await policies.create(world.subject, "accounts/dev", PROD)
    world.commit({"a/stackly.hcl": b'stack "a" {\n  policies = ["prod"]\n}\n'})
    code = await world.requests.register(world.subject, "accounts/dev", world.repository_name, "a", "")
    with pytest.raises(NotNow) as caught:
        await policies.delete(world.subject, NAME, "", force=False)
    assert (caught.value.reason, caught.value.facts["stack_codes"]) == ("POLICY_IN_USE", code.slug)
    await policies.delete(world.subject, NAME, "", force=True)
    with pytest.raises(NotFound):
        await policies.get(world.subject, NAME)


async def test_readers_may_not_write_and_strangers_see_nothing(
    policies: PolicyService, dev: "Tenant", rival: "Tenant"
) -> None:
    await policies.create(dev.subject(), "accounts/dev", PROD)
    with pytest.raises(Denied):
        await policies.delete(dev.subject("policies.read"), NAME, "", force=True)
    for name in (NAME, "accounts/rival/policies/prod"):
        with pytest.raises(NotFound):
            await policies.get(rival.subject(), name)
