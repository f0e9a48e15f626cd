"""What the flows judge by, judged: a planted fault is found."""

from pathlib import Path

import pytest

from flows.ledger import Ledger, resources, tainted
from flows.test_certificates import complaints, refused

WHOLE = ["step_0 begin 10.0", "step_0 end 11.0", "step_1 begin 11.5", "step_1 end 13.0"]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger("s", tmp_path / "ledger", steps=2)


def write(ledger: Ledger, lines: list[str]) -> None:
    ledger.file.write_text("".join(f"terraform_data.{line}\n" for line in lines))


def test_a_whole_ledger(ledger: Ledger) -> None:
    write(ledger, WHOLE)
    ledger.each_once()
    assert ledger.under_way_at(12.0) == ["terraform_data.step_1"]
    assert ledger.under_way_at(11.2) == []  # between two resources


@pytest.mark.parametrize(
    "lines",
    [[*WHOLE, *WHOLE[:2]], WHOLE[:2], WHOLE[:3], [*WHOLE, "step_9 begin 14.0", "step_9 end 15.0"], []],
    ids=["doubled", "missing", "not ended", "foreign", "empty"],
)
def test_a_planted_fault_is_found(ledger: Ledger, lines: list[str]) -> None:
    write(ledger, lines)
    with pytest.raises(AssertionError):
        ledger.each_once()


async def test_a_state_that_lacks_a_resource_does_not_pass_the_plain_plan(ledger: Ledger, tmp_path: Path) -> None:
    state = b'{"version": 4, "terraform_version": "1.5.0", "serial": 1, "lineage": "l", "outputs": {}, "resources": []}'
    assert resources(state) == tainted(state) == set()
    assert "No changes." not in await ledger.plain_plan(state, tmp_path / "plain")


def test_a_refused_call_and_a_complaint_are_found() -> None:
    call = {"kind": "worker", "method": "/x/Heartbeat", "code": "OK", "reason": ""}
    lost = {"kind": "run", "method": "/x/RenewLease", "code": "ABORTED", "reason": "LEASE_LOST"}
    bad = [call | {"code": "UNAUTHENTICATED"}, call | {"kind": "run", "code": "UNAVAILABLE"}, lost | {"method": "/x/F"}]
    assert (
        refused([call, lost, call | {"code": "CANCELLED"}, call | {"kind": "user", "code": "NOT_FOUND"}, *bad]) == bad
    )
    said = "2026-11-24 15:49:59,430 INFO a: fine\n2026-11-24 15:50:00,945 WARNING b: the certificate ran out\n"
    assert complaints(said) == ["b: the certificate ran out"]
