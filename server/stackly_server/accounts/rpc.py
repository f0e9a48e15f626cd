"""AccountService and AuthService on the wire."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from stackly.v1 import accounts_pb2, auth_service_pb2
from stackly.v1 import accounts_service_pb2 as pb
from stackly_server.access import Subject
from stackly_server.accounts.model import Account, ApiKey, Member, Namespace, Repository
from stackly_server.accounts.repositories import NewRepository, Repositories
from stackly_server.accounts.service import AccountService, MemberChange, NewApiKey
from stackly_server.accounts.sign_in import SignIn, TokenPair
from stackly_server.errors import FieldProblem, Invalid
from stackly_server.pages import Pages


class AccountServicer:
    """stackly.v1.AccountService."""

    def __init__(self, service: AccountService, repositories: Repositories) -> None:
        self._service = service
        self._repositories = repositories

    async def ListAccounts(self, _request: pb.ListAccountsRequest, call: Subject) -> pb.ListAccountsResponse:
        account = await self._service.mine(call)
        return pb.ListAccountsResponse(accounts=[_account(account)])

    async def GetAccount(self, request: pb.GetAccountRequest, call: Subject) -> pb.GetAccountResponse:
        return pb.GetAccountResponse(account=_account(await self._service.get(call, request.name)))

    async def ListNamespaces(self, request: pb.ListNamespacesRequest, call: Subject) -> pb.ListNamespacesResponse:
        size = Pages.size(request.page_size)
        rows, token = await self._service.namespaces(call, request.parent, size, request.page_token)
        found = [_namespace(row, call.account) for row in rows]
        return pb.ListNamespacesResponse(namespaces=found, next_page_token=token)

    async def GetNamespace(self, request: pb.GetNamespaceRequest, call: Subject) -> pb.GetNamespaceResponse:
        namespace = await self._service.namespace(call, request.name)
        return pb.GetNamespaceResponse(namespace=_namespace(namespace, call.account))

    async def ListRepositories(self, request: pb.ListRepositoriesRequest, call: Subject) -> pb.ListRepositoriesResponse:
        size = Pages.size(request.page_size)
        rows, token = await self._repositories.list(call, request.parent, size, request.page_token)
        found = [_repository(row, call.account) for row in rows]
        return pb.ListRepositoriesResponse(repositories=found, next_page_token=token)

    async def ConnectRepository(
        self, request: pb.ConnectRepositoryRequest, call: Subject
    ) -> pb.ConnectRepositoryResponse:
        def answer(made: tuple[Repository, str]) -> pb.ConnectRepositoryResponse:
            return pb.ConnectRepositoryResponse(repository=_repository(made[0], call.account), webhook_secret=made[1])

        wanted = request.repository
        new = NewRepository(wanted.clone_url, wanted.full_name, wanted.external_id, wanted.default_ref)
        call.encode = lambda made: answer(made).SerializeToString()
        return answer(await self._repositories.connect(call, request.parent, new))

    async def DisconnectRepository(
        self, request: pb.DisconnectRepositoryRequest, call: Subject
    ) -> pb.DisconnectRepositoryResponse:
        await self._repositories.disconnect(call, request.name)
        return pb.DisconnectRepositoryResponse()

    async def ListMembers(self, request: pb.ListMembersRequest, call: Subject) -> pb.ListMembersResponse:
        size = Pages.size(request.page_size)
        rows, token = await self._service.members(call, request.parent, size, request.page_token)
        return pb.ListMembersResponse(members=[_member(row, call.account) for row in rows], next_page_token=token)

    async def UpdateMember(self, request: pb.UpdateMemberRequest, call: Subject) -> pb.UpdateMemberResponse:
        member = await self._service.update_member(call, request.member.name, _change(request))
        return pb.UpdateMemberResponse(member=_member(member, call.account))

    async def RemoveMember(self, request: pb.RemoveMemberRequest, call: Subject) -> pb.RemoveMemberResponse:
        await self._service.remove_member(call, request.name, _version(request.etag, "etag"))
        return pb.RemoveMemberResponse()

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, call: Subject) -> pb.CreateApiKeyResponse:
        def answer(made: tuple[ApiKey, str]) -> pb.CreateApiKeyResponse:
            return pb.CreateApiKeyResponse(api_key=_api_key(made[0], call.account), secret=made[1])

        call.encode = lambda made: answer(made).SerializeToString()
        return answer(await self._service.create_api_key(call, request.parent, _new_key(request, call)))

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, call: Subject) -> pb.ListApiKeysResponse:
        size = Pages.size(request.page_size)
        rows, token = await self._service.api_keys(call, request.parent, size, request.page_token)
        return pb.ListApiKeysResponse(api_keys=[_api_key(row, call.account) for row in rows], next_page_token=token)

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, call: Subject) -> pb.RevokeApiKeyResponse:
        await self._service.revoke_api_key(call, request.name)
        return pb.RevokeApiKeyResponse()


class AuthServicer:
    """stackly.v1.AuthService."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in

    async def ExchangeToken(
        self, request: auth_service_pb2.ExchangeTokenRequest, _call: Subject
    ) -> auth_service_pb2.ExchangeTokenResponse:
        pair = await self._sign_in.exchange(request.api_key)
        return auth_service_pb2.ExchangeTokenResponse(tokens=_tokens(pair))

    async def RefreshToken(
        self, request: auth_service_pb2.RefreshTokenRequest, _call: Subject
    ) -> auth_service_pb2.RefreshTokenResponse:
        pair = await self._sign_in.refresh(request.refresh_token)
        return auth_service_pb2.RefreshTokenResponse(tokens=_tokens(pair))

    async def RevokeToken(
        self, request: auth_service_pb2.RevokeTokenRequest, call: Subject
    ) -> auth_service_pb2.RevokeTokenResponse:
        await self._sign_in.revoke(call, request.refresh_token)
        return auth_service_pb2.RevokeTokenResponse()

    async def WhoAmI(self, _request: auth_service_pb2.WhoAmIRequest, call: Subject) -> auth_service_pb2.WhoAmIResponse:
        key = f"accounts/{call.account}/apiKeys/{call.api_key_id.hex}" if call.api_key_id else ""
        return auth_service_pb2.WhoAmIResponse(
            principal=call.actor,
            account=f"accounts/{call.account}",
            api_key=key,
            permissions=sorted(call.permissions),
            groups=sorted(call.groups),
            expires_at=Timestamp(seconds=int(call.expires_at)),
        )


def _account(account: Account) -> accounts_pb2.Account:
    return accounts_pb2.Account(
        name=f"accounts/{account.name}",
        uid=str(account.account_id),
        display_name=account.display_name,
        created_at=account.created_at,
    )


def _namespace(namespace: Namespace, account: str) -> accounts_pb2.Namespace:
    return accounts_pb2.Namespace(
        name=f"accounts/{account}/namespaces/{namespace.name}",
        uid=str(namespace.id),
        temporal_namespace=namespace.temporal_namespace,
        status=f"NAMESPACE_STATUS_{namespace.status}",
        created_at=namespace.created_at,
    )


def _repository(repository: Repository, account: str) -> accounts_pb2.Repository:
    return accounts_pb2.Repository(
        name=f"accounts/{account}/repositories/{repository.slug}",
        uid=str(repository.id),
        clone_url=repository.clone_url,
        full_name=repository.full_name,
        external_id=repository.external_id,
        default_ref=repository.default_ref,
        created_at=repository.created_at,
    )


def _member(member: Member, account: str) -> accounts_pb2.Member:
    return accounts_pb2.Member(
        name=f"accounts/{account}/members/{member.login}",
        uid=str(member.id),
        etag=f'"{member.version}"',
        roles=member.roles,
        groups=member.groups,
        created_at=member.created_at,
        updated_at=member.updated_at,
    )


def _api_key(key: ApiKey, account: str) -> accounts_pb2.ApiKey:
    return accounts_pb2.ApiKey(
        name=f"accounts/{account}/apiKeys/{key.id.hex}",
        uid=str(key.id),
        display_name=key.display_name,
        member=f"accounts/{account}/members/{key.member}",
        permissions=key.permissions,
        expires_at=key.expires_at,
        created_at=key.created_at,
        used_at=key.used_at,
        revoked_at=key.revoked_at,
    )


def _tokens(pair: TokenPair) -> auth_service_pb2.Tokens:
    return auth_service_pb2.Tokens(
        access_token=pair.access,
        access_expires_at=pair.access_expires_at,
        refresh_token=pair.refresh,
        refresh_expires_at=pair.refresh_expires_at,
    )


def _change(request: pb.UpdateMemberRequest) -> MemberChange:
    """An empty mask means: the fields that are set."""
    member, mask = request.member, set(request.update_mask.paths)
    unknown = mask - {"roles", "groups"}
    if unknown:
        problem = FieldProblem("update_mask", f"cannot change {', '.join(sorted(unknown))}")
        raise Invalid("VALIDATION_FAILED", "The update names a field that it cannot change.", fields=[problem])
    roles = tuple(member.roles) if "roles" in mask or (not mask and member.roles) else None
    groups = tuple(member.groups) if "groups" in mask or (not mask and member.groups) else None
    return MemberChange(roles, groups, _version(member.etag, "member.etag"), request.allow_missing)


def _new_key(request: pb.CreateApiKeyRequest, call: Subject) -> NewApiKey:
    wanted = request.api_key
    account, _, member = wanted.member.removeprefix("accounts/").partition("/members/")
    if member and account != call.account:
        problem = FieldProblem("api_key.member", "is not of this account")
        raise Invalid("VALIDATION_FAILED", "A key acts as a member of its own account.", fields=[problem])
    end: datetime | None = None
    if wanted.HasField("expires_at"):
        end = wanted.expires_at.ToDatetime(tzinfo=UTC)
    return NewApiKey(wanted.display_name, member, tuple(wanted.permissions), end)


def _version(etag: str, field: str) -> int | None:
    """The version inside an etag (`"3"`); None for no etag."""
    if not etag:
        return None
    digits = etag.strip('"')
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):  # noqa: PLR2004
        raise Invalid("VALIDATION_FAILED", "The etag is none of ours.", fields=[FieldProblem(field, "is no etag")])
    return int(digits)
