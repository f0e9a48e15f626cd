"""Account `b` and the things of account `a`: every RPC, every field that names a resource."""

import pytest

from server.rules.account import Street
from server.rules.calls import RPCS, Naming, Rpc
from server.rules.trespass import Trespass

NAMED = [(rpc, naming) for rpc in RPCS.values() for naming in rpc.naming]


@pytest.mark.parametrize(("rpc", "naming"), NAMED, ids=[f"{rpc.name}-{naming.path}" for rpc, naming in NAMED])
async def test_names_of_another_account(street: Street, rpc: Rpc, naming: Naming) -> None:
    trespass = Trespass(street, rpc, naming)
    assert await trespass.run() == []
    assert trespass.tried > 3
