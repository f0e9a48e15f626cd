"""Who may call what: every method of the wire, as the running server treats it, against a table reviewed by hand.

`matrix.txt` has a line for each method that USERs call: its permission, and the roles that come through. After a wanted
change: `python -m pytest tests/server/edge/test_matrix.py` writes `matrix.txt.new` beside it; review it and put it in place.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor

import stackly
from api import Api, Metadata, Tenant, reason
from stackly.options.v1 import options_pb2
from stackly.v1 import accounts_service_pb2, accounts_service_pb2_grpc
from stackly_server.access import ROLES
from stackly_server.edge.rules import Rule, rules_of

TABLE = Path(__file__).with_name("matrix.txt")
NEVER_SERVED = {"stackly.worker.v1.Tasks"}


def all_rules() -> Iterator[tuple[ServiceDescriptor, Rule]]:
    for module in pkgutil.walk_packages(stackly.__path__, "stackly."):
        if module.name.endswith("_pb2"):
            for service in importlib.import_module(module.name).DESCRIPTOR.services_by_name.values():
                if service.full_name not in NEVER_SERVED:
                    yield from ((service, rule) for _, rule in rules_of(service))


RULES = [(service, rule) for service, rule in all_rules() if rule.path]
USERS = [(service, rule) for service, rule in RULES if rule.audience == options_pb2.AUDIENCE_USER]


def request_for(rule: Rule, account: str) -> bytes:
    """A request that names a thing which is not there, and nothing else."""
    request = rule.request()
    holder: Any = request
    *way, last = rule.fields._keep.split(".")
    for step in way:
        holder = getattr(holder, step)
    if last:
        name = rule.fields._resource.replace("accounts/*", f"accounts/{account}").replace("*", "x1")
        setattr(holder, last, name)
    return request.SerializeToString()


async def outcome(api: Api, rule: Rule, account: str, metadata: Metadata) -> str:
    """OK, or the reason of the refusal. A stream counts as OK once it is open."""
    sent = request_for(rule, account)
    channel: Any = api.channel  # the bytes are sent as they are
    if rule.streams_out:
        before = dict(api.server.metrics.calls)
        stream = channel.unary_stream(rule.path)(sent, metadata=metadata)
        await stream.initial_metadata()
        changed = {key for key, count in api.server.metrics.calls.items() if count != before.get(key, 0)}
        if changed - {(rule.path, "CANCELLED"), (rule.path, "OK")}:  # noted before the client hears of it
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
            return reason(caught.value)
        stream.cancel()
        return "OK"
    try:
        await channel.unary_unary(rule.path)(sent, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return reason(error)
    return "OK"


@pytest.fixture
async def by_role(api: Api, dev: Tenant) -> dict[str, Metadata]:
    """Signed-in members of `dev`, one for each role."""
    stub = accounts_service_pb2_grpc.AccountServiceStub(api.channel)
    owner = await api.sign_in(dev.api_key)
    found = {}
    for role in ROLES:
        add = accounts_service_pb2.UpdateMemberRequest(allow_missing=True)
        add.member.name = f"accounts/dev/members/{role}"
        add.member.roles.append(role)
        await stub.UpdateMember(add, metadata=owner)
        key = accounts_service_pb2.CreateApiKeyRequest(parent="accounts/dev")
        key.api_key.member = add.member.name
        made = await stub.CreateApiKey(key, metadata=owner)
        found[role] = await api.sign_in(made.secret)
    return found


async def test_roles(api: Api, by_role: dict[str, Metadata]) -> None:
    lines = []
    for _, rule in USERS:
        told = {role: await outcome(api, rule, "dev", metadata) for role, metadata in by_role.items()}
        assert "INTERNAL" not in told.values(), (rule.path, told)
        through = [role for role, found in told.items() if found != "PERMISSION_DENIED"]
        assert through == [role for role in ROLES if not rule.permission or rule.permission in ROLES[role]]
        lines.append(f"{rule.path[1:]:62} {rule.permission or '-':18} {' '.join(through)}")
    seen = "\n".join(sorted(lines)) + "\n"
    if not TABLE.exists() or TABLE.read_text() != seen:
        TABLE.with_suffix(".txt.new").write_text(seen)
        pytest.fail("the table differs from what the server does: compare matrix.txt.new")


async def test_without_credentials(api: Api, dev: Tenant) -> None:
    for _, rule in USERS:
        assert await outcome(api, rule, "dev", ()) == "TOKEN_MISSING"
    tokens = await api.tokens(dev.api_key)
    for token in (tokens.refresh_token, dev.api_key, "stkr_" + "A" * 43):
        for _, rule in USERS:
            assert await outcome(api, rule, "dev", (("authorization", f"Bearer {token}"),)) == "TOKEN_INVALID"


async def test_users_are_no_runs_and_no_workers(api: Api, dev: Tenant) -> None:
    metadata = await api.sign_in(dev.api_key)
    for service, rule in RULES:
        if rule.streams_in or service.full_name == "stackly.worker.v1.WorkerTaskService":
            continue  # the first are tried with their rooms, the second is not on this listener at all
        if rule.audience == options_pb2.AUDIENCE_RUN:
            assert await outcome(api, rule, "dev", metadata) == "TOKEN_INVALID"
        if rule.audience == options_pb2.AUDIENCE_WORKER:
            assert await outcome(api, rule, "dev", metadata) == "CERTIFICATE_INVALID"


async def test_another_account_is_not_there(api: Api, by_role: dict[str, Metadata], rival: Tenant) -> None:
    """For an owner all that is wrong with a foreign name is that it is foreign: the same call in `dev` fares as well."""
    checked = 0
    for _, rule in USERS:
        if rule.fields._keep:
            for account in (rival.name, "nobody"):
                told = await outcome(api, rule, account, by_role["owner"])
                assert told in {"NOT_FOUND", "VALIDATION_FAILED"}, (rule.path, told)
                checked += told == "NOT_FOUND"
    assert checked > 60
