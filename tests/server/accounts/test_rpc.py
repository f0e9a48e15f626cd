"""AccountService through the whole door, on Postgres and OpenBao."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest

from api import Api, FreshDatabase, Metadata, Tenant, reason
from stackly.v1 import accounts_pb2, accounts_service_pb2_grpc, auth_service_pb2, auth_service_pb2_grpc
from stackly.v1 import accounts_service_pb2 as pb
from stackly_server.access import ROLES
from stackly_server.app import Ground


@dataclass(frozen=True)
class Person:
    """Somebody signed in."""

    api: Api
    tenant: Tenant
    metadata: Metadata

    def __getattr__(self, method: str) -> Any:
        stub = accounts_service_pb2_grpc.AccountServiceStub(self.api.channel)
        return lambda request: getattr(stub, method)(request, metadata=self.metadata)

    async def with_key(self, member: str = "", permissions: tuple[str, ...] = ()) -> "Person":
        """The same (or another member) by a new key."""
        asked = pb.CreateApiKeyRequest(parent="accounts/dev")
        asked.api_key.member = f"accounts/dev/members/{member}" if member else ""
        asked.api_key.permissions.extend(permissions)
        made = await self.CreateApiKey(asked)
        return Person(self.api, self.tenant, await self.api.sign_in(made.secret))


@pytest.fixture
async def ann(api: Api, dev: Tenant) -> Person:
    return Person(api, dev, await api.sign_in(dev.api_key))


async def refused(call: Awaitable[Any]) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return reason(caught.value)


def member(login: str, *roles: str, groups: tuple[str, ...] = (), etag: str = "") -> accounts_pb2.Member:
    return accounts_pb2.Member(name=f"accounts/dev/members/{login}", roles=roles, groups=groups, etag=etag)


async def add(ann: Person, login: str, *roles: str) -> accounts_pb2.Member:
    asked = pb.UpdateMemberRequest(member=member(login, *roles), allow_missing=True)
    found: accounts_pb2.Member = (await ann.UpdateMember(asked)).member
    return found


async def test_what_a_new_account_has(ann: Person) -> None:
    (account,) = (await ann.ListAccounts(pb.ListAccountsRequest())).accounts
    assert account.name == "accounts/dev"
    assert (await ann.GetAccount(pb.GetAccountRequest(name=account.name))).account == account
    (namespace,) = (await ann.ListNamespaces(pb.ListNamespacesRequest(parent=account.name))).namespaces
    assert (namespace.name, namespace.status) == (
        "accounts/dev/namespaces/default",
        accounts_pb2.NAMESPACE_STATUS_PROVISIONING,
    )
    assert namespace.temporal_namespace.startswith("s-")
    assert len(namespace.temporal_namespace) == 14
    assert (await ann.GetNamespace(pb.GetNamespaceRequest(name=namespace.name))).namespace == namespace
    assert await refused(ann.GetNamespace(pb.GetNamespaceRequest(name="accounts/dev/namespaces/no"))) == "NOT_FOUND"
    (owner,) = (await ann.ListMembers(pb.ListMembersRequest(parent=account.name))).members
    assert (owner.name, list(owner.roles)) == ("accounts/dev/members/ann", ["owner"])


async def test_another_account_is_not_there(ann: Person, rival: Tenant) -> None:
    """Each call first passes in the own account, so that it is the tenant that is refused."""
    calls: list[tuple[str, Any, str]] = [
        ("GetAccount", pb.GetAccountRequest, "name"),
        ("ListNamespaces", pb.ListNamespacesRequest, "parent"),
        ("ListRepositories", pb.ListRepositoriesRequest, "parent"),
        ("ListMembers", pb.ListMembersRequest, "parent"),
        ("ListApiKeys", pb.ListApiKeysRequest, "parent"),
    ]
    for method, request, field in calls:
        await getattr(ann, method)(request(**{field: "accounts/dev"}))
        for foreign in (f"accounts/{rival.name}", "accounts/nobody"):
            assert await refused(getattr(ann, method)(request(**{field: foreign}))) == "NOT_FOUND"


async def test_members(ann: Person) -> None:
    assert await refused(ann.UpdateMember(pb.UpdateMemberRequest(member=member("bob", "viewer")))) == "NOT_FOUND"
    bob = await add(ann, "bob", "viewer", "approver")
    assert (list(bob.roles), bob.etag) == (["approver", "viewer"], '"1"')
    changed = await ann.UpdateMember(pb.UpdateMemberRequest(member=member("bob", groups=("ops",), etag=bob.etag)))
    assert (list(changed.member.roles), list(changed.member.groups)) == (["approver", "viewer"], ["ops"])
    stale = pb.UpdateMemberRequest(member=member("bob", "viewer", etag=bob.etag))
    assert await refused(ann.UpdateMember(stale)) == "ETAG_MISMATCH"
    assert await refused(ann.UpdateMember(pb.UpdateMemberRequest(member=member("bob")))) == "UPDATE_EMPTY"
    gone = pb.RemoveMemberRequest(name=bob.name, etag='"1"')
    assert await refused(ann.RemoveMember(gone)) == "ETAG_MISMATCH"
    await ann.RemoveMember(pb.RemoveMemberRequest(name=bob.name))
    assert await refused(ann.RemoveMember(pb.RemoveMemberRequest(name=bob.name))) == "NOT_FOUND"


async def test_the_mask_says_what_changes(ann: Person) -> None:
    await add(ann, "bob", "viewer")
    asked = pb.UpdateMemberRequest(member=member("bob", "operator", groups=("ops",)))
    asked.update_mask.paths.append("groups")
    changed = (await ann.UpdateMember(asked)).member
    assert (list(changed.roles), list(changed.groups)) == (["viewer"], ["ops"])
    asked.update_mask.paths.append("name")
    assert await refused(ann.UpdateMember(asked)) == "VALIDATION_FAILED"


async def test_an_account_keeps_an_owner(ann: Person) -> None:
    last = pb.RemoveMemberRequest(name="accounts/dev/members/ann")
    assert await refused(ann.RemoveMember(last)) == "LAST_OWNER"
    assert await refused(ann.UpdateMember(pb.UpdateMemberRequest(member=member("ann", "admin")))) == "LAST_OWNER"
    await add(ann, "bob", "owner")
    await ann.UpdateMember(pb.UpdateMemberRequest(member=member("ann", "admin")))


async def test_two_owners_cannot_both_leave_at_once(ann: Person) -> None:
    import asyncio

    await add(ann, "bob", "owner")
    leave = [ann.RemoveMember(pb.RemoveMemberRequest(name=f"accounts/dev/members/{name}")) for name in ("ann", "bob")]
    ended = await asyncio.gather(*leave, return_exceptions=True)
    assert sum(isinstance(each, grpc.aio.AioRpcError) for each in ended) == 1


async def test_nobody_grants_what_they_lack(ann: Person) -> None:
    """A key of the owner that may only change members cannot make, change or remove somebody stronger than itself."""
    await add(ann, "bob", "viewer")
    weak = await ann.with_key(permissions=("members.write", "keys.write", *sorted(ROLES["viewer"])))
    await weak.UpdateMember(pb.UpdateMemberRequest(member=member("bob", "viewer")))  # what it has, it may give
    for call in (
        weak.UpdateMember(pb.UpdateMemberRequest(member=member("bob", "operator"))),
        weak.UpdateMember(pb.UpdateMemberRequest(member=member("eve", "owner"), allow_missing=True)),
        weak.UpdateMember(pb.UpdateMemberRequest(member=member("ann", groups=("ops",)))),
        weak.RemoveMember(pb.RemoveMemberRequest(name="accounts/dev/members/ann")),
        weak.with_key(permissions=("stacks.write",)),
        weak.with_key(),
        weak.with_key(member="ann"),
    ):
        assert await refused(call) == "PERMISSION_DENIED"


async def test_a_key_is_bound_to_its_permissions_and_member(ann: Person) -> None:
    await add(ann, "bob", "viewer")
    bob = await ann.with_key(member="bob")
    assert await refused(bob.ListApiKeys(pb.ListApiKeysRequest(parent="accounts/dev"))) == "PERMISSION_DENIED"
    assert await refused(ann.with_key(member="bob", permissions=("stacks.write",))) == "PERMISSION_DENIED"
    assert await refused(ann.with_key(member="nobody")) == "NOT_FOUND"
    await ann.UpdateMember(pb.UpdateMemberRequest(member=member("bob", "admin")))
    assert await refused(bob.ListApiKeys(pb.ListApiKeysRequest(parent="accounts/dev"))) == "PERMISSION_DENIED"


async def test_api_keys(ann: Person, fresh_database: FreshDatabase) -> None:
    asked = pb.CreateApiKeyRequest(parent="accounts/dev", request_id=str(uuid4()))
    asked.api_key.display_name = "ci"
    made, again = await ann.CreateApiKey(asked), await ann.CreateApiKey(asked)
    assert made == again
    assert made.secret.startswith("stk_")
    listed = (await ann.ListApiKeys(pb.ListApiKeysRequest(parent="accounts/dev"))).api_keys
    assert [key.display_name for key in listed] == ["ci", "first key of the owner"]
    with psycopg.connect(fresh_database.super_url) as conn:
        kept = str(conn.execute("SELECT array_agg(k::text) FROM api_keys k").fetchone())
        assert made.api_key.uid in kept
        assert made.secret.rpartition("_")[2] not in kept
    ci = Person(ann.api, ann.tenant, await ann.api.sign_in(made.secret))
    await ci.ListAccounts(pb.ListAccountsRequest())
    await ann.RevokeApiKey(pb.RevokeApiKeyRequest(name=made.api_key.name))
    await ann.RevokeApiKey(pb.RevokeApiKeyRequest(name=made.api_key.name))  # stays revoked
    assert await refused(ci.ListAccounts(pb.ListAccountsRequest())) == "TOKEN_INVALID"
    assert await refused(ann.api.sign_in(made.secret)) == "TOKEN_INVALID"
    unknown = pb.RevokeApiKeyRequest(name=f"accounts/dev/apiKeys/{uuid4().hex}")
    assert await refused(ann.RevokeApiKey(unknown)) == "NOT_FOUND"


@pytest.mark.parametrize("days", [-1, 367])
async def test_the_life_of_a_key_is_bounded(ann: Person, days: int) -> None:
    asked = pb.CreateApiKeyRequest(parent="accounts/dev")
    asked.api_key.expires_at.FromDatetime(datetime.now(UTC) + timedelta(days=days))
    assert await refused(ann.CreateApiKey(asked)) == "VALIDATION_FAILED"


async def test_a_removed_member_is_out_at_once(ann: Person) -> None:
    await add(ann, "bob", "viewer")
    bob = await ann.with_key(member="bob")
    await bob.ListAccounts(pb.ListAccountsRequest())
    await ann.RemoveMember(pb.RemoveMemberRequest(name="accounts/dev/members/bob"))
    assert await refused(bob.ListAccounts(pb.ListAccountsRequest())) == "TOKEN_INVALID"
    await add(ann, "bob", "viewer")  # the same login again does not bring the old key back
    assert await refused(bob.ListAccounts(pb.ListAccountsRequest())) == "TOKEN_INVALID"


async def test_changed_roles_count_at_once(ann: Person) -> None:
    await add(ann, "bob", "admin")
    bob = await ann.with_key(member="bob")
    await bob.ListApiKeys(pb.ListApiKeysRequest(parent="accounts/dev"))
    await ann.UpdateMember(pb.UpdateMemberRequest(member=member("bob", "viewer")))
    assert await refused(bob.ListApiKeys(pb.ListApiKeysRequest(parent="accounts/dev"))) == "PERMISSION_DENIED"


async def test_pages(ann: Person) -> None:
    for login in ("bea", "cid", "dan"):
        await add(ann, login, "viewer")
    seen, token = [], ""
    while True:
        page = await ann.ListMembers(pb.ListMembersRequest(parent="accounts/dev", page_size=3, page_token=token))
        seen.append([found.name.rpartition("/")[2] for found in page.members])
        token = page.next_page_token
        if not token:
            break
    assert seen == [["ann", "bea", "cid"], ["dan"]]
    keys = pb.ListApiKeysRequest(parent="accounts/dev", page_size=1)
    for _ in range(2):
        await ann.with_key()
    dates = []
    for _ in range(3):
        answer = await ann.ListApiKeys(keys)
        dates += [key.created_at.ToDatetime() for key in answer.api_keys]
        keys.page_token = answer.next_page_token
    assert dates == sorted(dates, reverse=True)
    assert keys.page_token == ""


async def test_repositories(ann: Person, tmp_path: Path, ground: Ground) -> None:
    asked = pb.ConnectRepositoryRequest(parent="accounts/dev", request_id=str(uuid4()))
    asked.repository.clone_url = "https://code.example/acme/infra.git"
    asked.repository.full_name = "Acme/Infra.Main"
    asked.repository.external_id = "42"
    made, again = await ann.ConnectRepository(asked), await ann.ConnectRepository(asked)
    assert made == again
    assert made.repository.name.startswith("accounts/dev/repositories/acme-infra-main-")
    assert made.repository.default_ref == "main"
    listed = await ann.ListRepositories(pb.ListRepositoriesRequest(parent="accounts/dev"))
    assert list(listed.repositories) == [made.repository]
    asked.request_id = str(uuid4())
    assert await refused(ann.ConnectRepository(asked)) == "ALREADY_EXISTS"
    await ann.DisconnectRepository(pb.DisconnectRepositoryRequest(name=made.repository.name))
    gone = pb.DisconnectRepositoryRequest(name=made.repository.name)
    assert await refused(ann.DisconnectRepository(gone)) == "NOT_FOUND"
    asked.request_id = str(uuid4())
    assert (await ann.ConnectRepository(asked)).repository.name == made.repository.name


@pytest.mark.parametrize(
    "url",
    [
        "http://code.example/acme",
        "git://code.example/acme",
        "https://user:pass@code.example/acme",
        "https://token@code.example/acme",
        "file:///etc",
        "file://../etc",
        "ext::sh -c id",
        "-oProxyCommand=id",
        "https://code.example/acme?x=1",
    ],
)
async def test_addresses_that_are_refused(ann: Person, url: str) -> None:
    asked = pb.ConnectRepositoryRequest(parent="accounts/dev")
    asked.repository.clone_url, asked.repository.full_name, asked.repository.external_id = url, "a/b", "1"
    assert await refused(ann.ConnectRepository(asked)) == "VALIDATION_FAILED"
    asked.repository.clone_url = "ssh://git@code.example/acme"
    await ann.ConnectRepository(asked)


async def test_file_addresses_below_a_root_of_development(ann: Person, tmp_path: Path) -> None:
    asked = pb.ConnectRepositoryRequest(parent="accounts/dev")
    asked.repository.full_name, asked.repository.external_id = "a/b", "1"
    asked.repository.clone_url = f"file://{tmp_path}/repositories/../secret.git"
    assert await refused(ann.ConnectRepository(asked)) == "VALIDATION_FAILED"
    asked.repository.clone_url = f"file://{tmp_path}/repositories/infra.git"
    await ann.ConnectRepository(asked)


async def test_a_repository_belongs_to_one_account(ann: Person, rival: Tenant) -> None:
    asked = pb.ConnectRepositoryRequest(parent="accounts/dev")
    asked.repository.clone_url = "https://code.example/acme/infra.git"
    asked.repository.full_name, asked.repository.external_id = "acme/infra", "42"
    await ann.ConnectRepository(asked)
    other = Person(ann.api, rival, await ann.api.sign_in(rival.api_key))
    asked.parent = "accounts/rival"
    assert await refused(other.ConnectRepository(asked)) == "ALREADY_EXISTS"


async def test_who_am_i(ann: Person) -> None:
    stub = auth_service_pb2_grpc.AuthServiceStub(ann.api.channel)
    who = await stub.WhoAmI(auth_service_pb2.WhoAmIRequest(), metadata=ann.metadata)
    assert (who.principal, who.account) == ("accounts/dev/members/ann", "accounts/dev")
    assert list(who.permissions) == sorted(ROLES["owner"])
    assert who.api_key.startswith("accounts/dev/apiKeys/")
