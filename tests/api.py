"""The API on real parts, in this process: a fresh migrated database for each test, and a server with a channel.

`tests/conftest.py` names this module in `pytest_plugins`, so every test may ask for:

- `fresh_database`: `.app_url`, `.owner_url`, `.name`; migrated, empty, of this test alone (`CREATE DATABASE … TEMPLATE`).
- `settings`: Settings of `stackly-server serve` on `fresh_database`, OpenBao and a socket of its own.
- `ground`: the opened parts (`.database`, `.hub`, `.vault`, `.keys`, `.pages`, `.routes`, `.namespaces`, `.clock`).
- `dev` and `rival`: two accounts, each a `Tenant` (`.account_id`, `.name`, `.owner`, `.api_key`, `.namespace_id`,
  `.subject()`), made by `found` as `admin account create` does. `await tenants(name, owner)` makes more.
- `api`: the server with every service that `app.py` mounts, and a channel to it:
      stub = accounts_service_pb2_grpc.AccountServiceStub(api.channel)
      await stub.ListNamespaces(request, metadata=await api.sign_in(dev.api_key))
  `reason(error)` and `details(error)` take an AioRpcError apart.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2, status_pb2

from stackly.v1 import auth_service_pb2, auth_service_pb2_grpc
from stackly_server.access import ROLES, Kind, Subject
from stackly_server.accounts.founding import found
from stackly_server.config import Settings
from stackly_server.dev.home import Home
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.parts.postgres import APP_ROLE, OWNER_ROLE, SUPERUSER, Postgres
from stackly_server.migrate import migrate

if TYPE_CHECKING:  # at run time inside the fixtures: a room under work must not stop the tests of all others
    from stackly_server.app import Ground
    from stackly_server.edge.server import ApiServer

_TEMPLATE = "stackly_template"
_NUMBERS = itertools.count(1)
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FreshDatabase:
    """A migrated, empty database of one test."""

    name: str
    app_url: str
    owner_url: str
    super_url: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """An account with its owner and first API key."""

    account_id: UUID
    name: str
    owner: str
    namespace_id: UUID
    api_key: str = field(repr=False)

    def subject(self, *permissions: str, member: str = "") -> Subject:
        """The owner (or `member`) as a caller of a service, with all permissions of an owner unless some are named."""
        granted = frozenset(permissions) or ROLES["owner"]
        actor = f"accounts/{self.name}/members/{member or self.owner}"
        return Subject(Kind.USER, self.account_id, self.name, actor, granted, method="/test/Method", call_id="test")


@dataclass(frozen=True, slots=True)
class Api:
    """A running server and a channel to its public listener."""

    channel: grpc.aio.Channel
    server: "ApiServer"
    settings: Settings

    async def sign_in(self, api_key: str) -> Metadata:
        """Metadata of a caller who has exchanged the key."""
        return (("authorization", f"Bearer {(await self.tokens(api_key)).access_token}"),)

    async def tokens(self, api_key: str) -> auth_service_pb2.Tokens:
        stub = auth_service_pb2_grpc.AuthServiceStub(self.channel)
        request = auth_service_pb2.ExchangeTokenRequest(api_key=api_key)
        answer: auth_service_pb2.ExchangeTokenResponse = await stub.ExchangeToken(request)
        return answer.tokens


Tenants = Callable[[str, str], Awaitable[Tenant]]


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> str:
    postgres.sql(f"CREATE DATABASE {_TEMPLATE} OWNER {OWNER_ROLE}")
    migrate(postgres.address.url(OWNER_ROLE, _TEMPLATE))
    return _TEMPLATE


@contextmanager
def database_of_its_own(postgres: Postgres, template: str) -> Iterator[FreshDatabase]:
    """A copy of a database, for as long as the block runs."""
    name = f"stackly_test_{next(_NUMBERS)}"
    url = postgres.address.url
    with psycopg.connect(url(SUPERUSER, "postgres"), autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER_ROLE} STRATEGY wal_log")
        yield FreshDatabase(name, url(APP_ROLE, name), url(OWNER_ROLE, name), url(SUPERUSER, name))
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fresh_database(postgres: Postgres, migrated_template: str) -> Iterator[FreshDatabase]:
    with database_of_its_own(postgres, migrated_template) as database:
        yield database


@pytest.fixture
def settings(fresh_database: FreshDatabase, openbao: OpenBao, parts_home: Home, tmp_path: Path) -> Settings:
    return settings_on(fresh_database, openbao, parts_home, tmp_path)


def settings_on(
    database: FreshDatabase, openbao: OpenBao, home: Home, folder: Path, worker_listen: str = "127.0.0.1:0"
) -> Settings:
    """Settings of `stackly-server serve` with its files in `folder`."""
    role = openbao.approles["api"]
    return Settings(
        database_url=database.app_url,
        temporal_target="127.0.0.1:1",
        temporal_front="127.0.0.1:1",
        vault_url=openbao.url,
        vault_role_id=role.role_id,
        vault_secret_id_file=role.secret_id_file,
        blobs_dir=folder / "blobs",
        mirrors_dir=folder / "mirrors",
        public_socket=home.socket_dir("api-test") / f"{database.name}.sock",
        worker_listen=worker_listen,
        worker_address=worker_listen,
        public_url="https://localhost:1",
        dev_repository_roots=[folder / "repositories"],
    )


@pytest.fixture
async def ground(settings: Settings) -> "AsyncIterator[Ground]":
    from stackly_server.app import ground as open_ground

    async with open_ground(settings) as opened:
        yield opened


@pytest.fixture
def tenants(ground: "Ground") -> Tenants:
    async def make(name: str, owner: str) -> Tenant:
        made = await found(ground.database, ground.keys, ground.clock, name, owner)
        return Tenant(made.account_id, name, owner, made.namespace_id, made.api_key)

    return make


@pytest.fixture
async def dev(tenants: Tenants) -> Tenant:
    return await tenants("dev", "ann")


@pytest.fixture
async def rival(tenants: Tenants) -> Tenant:
    return await tenants("rival", "mallory")


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    from stackly_server.app import serving

    address = f"unix:{settings.public_socket}"
    async with serving(settings, drain=0, grace=1) as server, grpc.aio.insecure_channel(address) as channel:
        yield Api(channel, server, settings)


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The google.rpc.Status that came with an error."""
    found = dict(error.trailing_metadata() or ())
    return status_pb2.Status.FromString(found["grpc-status-details-bin"])


def details(error: grpc.aio.AioRpcError, kind: Any) -> Any:
    """The detail of a kind (`error_details_pb2.BadRequest`), or None."""
    for packed in status_of(error).details:
        if packed.Is(kind.DESCRIPTOR):
            found = kind()
            packed.Unpack(found)
            return found
    return None


def reason(error: grpc.aio.AioRpcError) -> str:
    """The reason of its ErrorInfo."""
    return str(details(error, error_details_pb2.ErrorInfo).reason)
