"""What a write to the state gateway meets."""

from dataclasses import replace
from uuid import UUID

import pytest

from stackly_server.states.model import NewState, Refusal, StateHead, judge

RUN, OTHER = UUID(int=1), UUID(int=2)
HEAD = StateHead(UUID(int=9), b"", 4, "line", 1, UUID(int=3), "run-1", "applying", RUN, 7, None, None)
NEW = NewState(HEAD.stack_state_id, RUN, 7, 5, "line", "sha-5")


def test_the_next_serial_of_the_holder_is_let_in_and_the_same_again() -> None:
    assert judge(HEAD, NEW, None) is None
    assert judge(replace(HEAD, serial=5), NEW, "sha-5") is None
    assert judge(replace(HEAD, serial=0, lineage=""), replace(NEW, serial=1, lineage="fresh"), None) is None


@pytest.mark.parametrize(
    ("head", "new", "stored", "refusal"),
    [
        (replace(HEAD, lock_run_id=OTHER), NEW, None, Refusal.NOT_HOLDER),
        (replace(HEAD, lock_run_id=None, lock_id=None), NEW, None, Refusal.NOT_HOLDER),
        (replace(HEAD, lock_epoch=8), NEW, None, Refusal.NOT_HOLDER),
        (HEAD, replace(NEW, lineage="another"), None, Refusal.LINEAGE),
        (HEAD, replace(NEW, serial=4), "sha-4", Refusal.SERIAL),
        (HEAD, replace(NEW, serial=3), None, Refusal.SERIAL),
    ],
)
def test_everything_else_is_kept_aside(head: StateHead, new: NewState, stored: str | None, refusal: Refusal) -> None:
    assert judge(head, new, stored) is refusal
