"""The same server with a fault planted through its own seams: a rule without a check, a servicer that looks away, an identity."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from server.rules.account import Street
from server.rules.calls import RPCS, Rpc
from stackly.options.v1 import options_pb2
from stackly_server.access import ROLES, Subject
from stackly_server.app import api
from stackly_server.edge.answers import Answers
from stackly_server.edge.server import ApiServer, Mount

_RULE: Any = options_pb2.rule
_BOUNDS: Any = options_pb2.bounds
Blind = Callable[[Any, Subject], None]
Wrong = Callable[[Subject], Awaitable[Subject]]


def without_permission(service: ServiceDescriptor, rpc: Rpc) -> ServiceDescriptor:
    """The door no longer asks for the method's permission."""

    def edit(file: descriptor_pb2.FileDescriptorProto) -> None:
        _method(file, rpc).options.Extensions[_RULE].permission = ""

    return _edited(service, edit)


def without_names(service: ServiceDescriptor, rpc: Rpc) -> ServiceDescriptor:
    """The door no longer knows that the fields of the method's request are names of things."""

    def edit(file: descriptor_pb2.FileDescriptorProto) -> None:
        _method(file, rpc).options.Extensions[_RULE].resource_field = ""
        for message in file.message_type:
            for field in message.field:
                field.options.Extensions[_BOUNDS].resource = ""

    return _edited(service, edit)


def _method(file: descriptor_pb2.FileDescriptorProto, rpc: Rpc) -> descriptor_pb2.MethodDescriptorProto:
    return next(method for service in file.service for method in service.method if method.name == rpc.method.name)


def _edited(service: ServiceDescriptor, edit: Callable[[Any], None]) -> ServiceDescriptor:
    pool, file = DescriptorPool(), descriptor_pb2.FileDescriptorProto()
    for needed in service.file.dependencies:
        _add(pool, needed)
    service.file.CopyToProto(file)
    edit(file)
    pool.Add(file)
    return pool.FindServiceByName(service.full_name)


def _add(pool: DescriptorPool, file: FileDescriptor) -> None:
    for needed in file.dependencies:
        _add(pool, needed)
    pool.AddSerializedFile(file.serialized_pb)


class Careless:
    """Answers as another servicer, but in one method it changes who calls before anybody asks."""

    def __init__(self, servicer: object, rpc: Rpc, blind: Blind) -> None:
        self._servicer = servicer
        self._method = rpc.method.name
        self._blind = blind

    def __getattr__(self, name: str) -> Any:
        handler = getattr(self._servicer, name)
        if name != self._method:
            return handler

        def answer(request: Any, call: Subject) -> Any:
            self._blind(request, call)
            return handler(request, call)

        return answer


def all_powerful(_request: Any, call: Subject) -> None:
    """As if no service asked for a permission."""
    call.permissions = ROLES["owner"]


def names_believed(rpc: Rpc) -> Blind:
    """As if `own` did not look at the account."""

    def blind(request: Any, call: Subject) -> None:
        call.account = rpc.naming[0].read(request).split("/")[1]

    return blind


def rehomed(street: Street, rpc: Rpc) -> Blind:
    """As if the tenant came from the request."""
    homes = {account.tenant.name: account.tenant.account_id for account in (street.a, street.b)}

    def blind(request: Any, call: Subject) -> None:
        names_believed(rpc)(request, call)
        call.account_id = homes.get(call.account, call.account_id)

    return blind


Edit = Callable[[ServiceDescriptor, Rpc], ServiceDescriptor]


@asynccontextmanager
async def with_fault(
    street: Street,
    rpc: Rpc | None = None,
    *,
    door: Edit | None = None,
    room: Blind | None = None,
    who: Wrong | None = None,
) -> AsyncIterator[Street]:
    """The accounts behind a second door, which has the fault: `door` edits rules, `room` and `who` change callers."""
    rpc, on = rpc or next(iter(RPCS.values())), street.place.ground
    async with api(on) as parts:
        identifiers = parts.identifiers
        if who is not None and identifiers.user is not None:
            identify, wrong = identifiers.user, who

            async def user(bearer: str) -> Subject:
                return await wrong(await identify(bearer))

            identifiers = replace(identifiers, user=user)
        server = ApiServer(identifiers, Answers(on.database, on.keys))
        socket = street.place.settings.public_socket.with_suffix(".planted")
        await server.listen_publicly(
            socket, [_planted(mount, rpc, door, room) for mount in parts.public], reflection=False
        )
        async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
            place = replace(street.place, channel=channel)
            yield Street(place, replace(street.a, place=place), replace(street.b, place=place))
        await server.stop(drain=0, grace=0)


def _planted(mount: Mount, rpc: Rpc, door: Edit | None, room: Blind | None) -> Mount:
    if mount.service.full_name != rpc.method.containing_service.full_name:
        return mount
    servicer = Careless(mount.servicer, rpc, room) if room else mount.servicer
    return Mount(door(mount.service, rpc) if door else mount.service, servicer)
