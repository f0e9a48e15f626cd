"""AccountService and AuthService through the whole door."""

from api import Api, Tenant
from stackly.v1 import accounts_service_pb2, accounts_service_pb2_grpc, auth_service_pb2, auth_service_pb2_grpc


async def test_signed_in(api: Api, dev: Tenant) -> None:
    metadata = await api.sign_in(dev.api_key)
    who = await auth_service_pb2_grpc.AuthServiceStub(api.channel).WhoAmI(
        auth_service_pb2.WhoAmIRequest(), metadata=metadata
    )
    assert who.principal == "accounts/dev/members/ann"
    stub = accounts_service_pb2_grpc.AccountServiceStub(api.channel)
    listed = await stub.ListNamespaces(
        accounts_service_pb2.ListNamespacesRequest(parent="accounts/dev"), metadata=metadata
    )
    assert [namespace.name for namespace in listed.namespaces] == ["accounts/dev/namespaces/default"]
