"""What a stack file asks of the stack states that are there, and names. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from stackly_server.stacks.config import StackConfig, StateConfig, config_from_json, config_of, config_to_json
from stackly_server.stacks.engine_options import EngineOptions
from stackly_server.stacks.model import (
    BY_HAND,
    Condition,
    StackState,
    candidate_names,
    code_slug,
    conditions,
    reconcile,
)
from stackly_server.stacks.stackfile import Engine, Requires, StackFile, StateBlock, Timeouts

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ID = re.compile(r"[a-z]([a-z0-9_-]{0,61}[a-z0-9])?")
NAMES = st.from_regex(ID, fullmatch=True)
STATUSES = ("PENDING", "ACTIVE", "LOOSE", "DESTROYING", "DESTROYED", "DELETED")


def make_state(block: str, status: str = "PENDING") -> StackState:
    return StackState(
        id=uuid4(), name=f"n-{block}", namespace_id=UUID(int=1), stack_code_id=UUID(int=2), state_block=block,
        commit_hash="", desired_commit="a" * 40, environment="", labels={}, variables={}, secret_variables=None,
        auto_deploy=None, status=status, last_run_failed=False, history_mismatch=False, last_applied_run_id=None,
        version=1, deleted_at=None, purge_at=None, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def make_config(*blocks: str) -> StackConfig:
    file = StackFile(
        name="net", version="", variables={"n": Decimal("1.10")}, policies=("p",), labels={"a": "b"}, environment=None,
        auto_deploy=False, engine=Engine("tofu", "~> 1.10"), requires=Requires(("docker",), {"z": "eu"}),
        timeouts=Timeouts(), manual_states=False,
        states=tuple(StateBlock(block, {"s": block}, {"r": block}) for block in blocks if block), findings=(),
    )  # fmt: skip
    return config_of(file)


def test_without_blocks_there_is_one_and_what_is_wanted_is_compared_by_block() -> None:
    asked = reconcile(make_config(), [])
    assert [(state.block, state.name) for state in asked.new] == [("", "net")]
    asked = reconcile(make_config("eu", "us"), [make_state(""), make_state("us", "LOOSE"), make_state(BY_HAND)])
    assert [state.name for state in asked.new] == ["net-eu"]
    assert [state.state_block for state in asked.kept] == [BY_HAND]
    assert [state.state_block for state in asked.returned] == ["us"]
    assert [state.state_block for state in asked.loosened] == [""]


@given(
    st.sets(st.sampled_from(["", "eu", "us", "ap"])),
    st.lists(st.tuples(st.sampled_from(["", "eu", "us", "ap", BY_HAND]), st.sampled_from(STATUSES)), max_size=8),
)
@settings(deadline=None)
def test_every_state_has_one_fate_and_no_block_is_made_twice(wanted: set[str], there: list[tuple[str, str]]) -> None:
    states = [make_state(block, status) for block, status in there]
    asked = reconcile(make_config(*wanted), states)
    fates = [state.id for state in (*asked.kept, *asked.returned, *asked.loosened)]
    assert len(fates) == len(set(fates))
    blocks = [state.state_block for state in states]
    assert not {state.block for state in asked.new} & set(blocks)
    assert all(state.status not in {"DELETED", "DESTROYED", "LOOSE"} for state in asked.loosened)
    assert all(state.status == "LOOSE" for state in asked.returned)
    assert not any(state.state_block == BY_HAND for state in asked.loosened)
    made = [make_state(state.block) for state in asked.new]
    loosened = [replace(state, status="LOOSE") for state in asked.loosened if state.status != "DESTROYING"]
    again = reconcile(
        make_config(*wanted), [*asked.kept, *made, *(replace(s, status="ACTIVE") for s in asked.returned), *loosened]
    )
    assert (again.returned, again.loosened) == ((), ())
    gone = {state.state_block for state in states if state.status == "DELETED"}
    assert {state.block for state in again.new} <= gone


@given(NAMES, st.from_regex(r"[a-z][a-z0-9-]{0,40}[a-z0-9]-[0-9a-f]{6}", fullmatch=True), st.text(max_size=80))
@settings(deadline=None)
def test_names_are_always_good_and_differ(name: str, slug: str, path: str) -> None:
    names = candidate_names(name, slug, UUID(int=7), path)
    assert names[0] == name
    assert len(set(names)) == 3
    assert all(ID.fullmatch(each) for each in names), names
    assert ID.fullmatch(code_slug(slug, UUID(int=7), path))
    assert code_slug(slug, UUID(int=7), path) != code_slug(slug, UUID(int=8), path)


def test_a_config_comes_back_from_json_with_every_digit() -> None:
    config = make_config("eu")
    assert config_from_json(config_to_json(config)) == config
    older = {name: value for name, value in config_to_json(config).items() if name not in {"units", "options"}}
    assert config_from_json(older) == config  # from before there were units: whole, with the defaults
    slow = replace(config, options=EngineOptions(0, 60, None, 3))
    assert config_from_json(json.loads(json.dumps(config_to_json(slow)))) == slow
    assert config.state("eu").variables == {"n": "1.10", "r": '"eu"'}
    assert config.state("gone") == config.shared
    expected: Mapping[str, str] = {"a": "b", "s": "eu"}
    assert config.states == (StateConfig("eu", "net-eu", "", expected, {"n": "1.10", "r": '"eu"'}),)


def test_conditions() -> None:
    state = make_state("", "ACTIVE")
    assert conditions(state, locked=True) == (Condition.LOCKED, Condition.UPDATE_AVAILABLE)
    applied = replace(state, commit_hash=state.desired_commit, last_run_failed=True, history_mismatch=True)
    assert conditions(applied, locked=False) == (Condition.LAST_RUN_FAILED, Condition.HISTORY_MISMATCH)
    assert conditions(replace(state, status="LOOSE"), locked=False) == ()
