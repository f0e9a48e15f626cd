"""The matrix and the tenancy tests fail when a check is missing; and one missing check of two opens nothing."""

from dataclasses import replace

import pytest

from server.rules.account import Street
from server.rules.calls import RPCS
from server.rules.matrix import CALLERS, GOLDEN, row
from server.rules.planted import all_powerful, names_believed, rehomed, with_fault, without_names, without_permission
from server.rules.trespass import Trespass
from stackly_server.access import ROLES, Subject

SOME = [
    "PolicyService/DeletePolicy",
    "RunService/CancelRun",
    "StackService/DestroyStackState",
    "StateService/ExportStateVersion",
]
NAMED = [rpc for rpc in RPCS.values() if rpc.naming]


def golden(name: str) -> dict[str, str]:
    cells = next(line.split() for line in GOLDEN.read_text().splitlines() if line.startswith(f"{name} "))
    return dict(zip(CALLERS, cells[1:], strict=True))


@pytest.mark.parametrize("name", SOME)
async def test_a_missing_permission_check(street: Street, name: str) -> None:
    rpc = RPCS[name]
    async with with_fault(street, rpc, door=without_permission, room=all_powerful) as faulty:
        assert {kind for kind, word in (await row(faulty, rpc)).items() if word != golden(name)[kind]} >= {"viewer"}
    async with with_fault(street, rpc, door=without_permission) as faulty:
        assert await row(faulty, rpc) == golden(name), "the room asks too"
    async with with_fault(street, rpc, room=all_powerful) as faulty:
        assert await row(faulty, rpc) == golden(name), "the door asks too"


@pytest.mark.parametrize("name", SOME)
async def test_a_missing_tenant_check(street: Street, name: str) -> None:
    rpc = RPCS[name]
    async with with_fault(street, rpc, door=without_names, room=rehomed(street, rpc)) as faulty:
        assert (await row(faulty, rpc))["other"] == "ok"
        assert len(await Trespass(faulty, rpc, rpc.naming[0]).run()) > 1
    for door, room in ((without_names, None), (None, rehomed(street, rpc)), (without_names, names_believed(rpc))):
        async with with_fault(street, rpc, door=door, room=room) as faulty:
            assert (await row(faulty, rpc))["other"] == "unseen", "one wall stands"


async def test_everybody_an_owner(street: Street) -> None:
    """Each row of the matrix that denies anybody can fail."""

    async def owner(caller: Subject) -> Subject:
        return replace(caller, permissions=ROLES["owner"])

    async with with_fault(street, who=owner) as faulty:
        for rpc in RPCS.values():
            denied = [kind for kind, word in golden(rpc.name).items() if word == "denied"]
            if denied:
                assert (await row(faulty, rpc, callers=denied[:1]))[denied[0]] == "ok", rpc.name


async def test_everybody_of_one_account(street: Street) -> None:
    """Each row of the tenancy test can fail."""

    async def of_a(caller: Subject) -> Subject:
        return replace(caller, account=street.a.tenant.name, account_id=street.a.tenant.account_id)

    async with with_fault(street, who=of_a) as faulty:
        for rpc in NAMED:
            assert await Trespass(faulty, rpc, rpc.naming[0]).all_names() != [], rpc.name
