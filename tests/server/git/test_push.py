"""From a delivery to registered stacks and wanted runs, through all that may become of a stack."""

import pytest

from pushing import MODULE, STACK, ZEROS, World
from stackly_server.errors import NotNow
from stackly_server.git.push import ChangeAt
from stackly_server.stacks.model import CodeStatus, Condition

Files = dict[str, bytes | tuple[str, bytes]]
OTHER = STACK.replace(b'"hello"', b'"other"')
AUTO = b'stack "auto" {\n  auto_deploy = true\n}\n'
TWO = (
    b'stack "two" {\n  state "eu" {\n    variables {\n      region = "eu-west-1"\n    }\n  }\n  state "us" {\n  }\n}\n'
)
ONE = b'stack "two" {\n  state "eu" {\n  }\n}\n'
HOOKS = b'stack "hello" {\n  hooks {\n    pre_plan = ["check"]\n  }\n}\n'


def stack(at: str, file: bytes = STACK, module: bytes = MODULE) -> Files:
    prefix = f"{at}/" if at else ""
    return {f"{prefix}stackly.hcl": file, f"{prefix}main.tf": module}


async def test_a_push_registers_a_stack_its_state_and_wants_a_run(world: World) -> None:
    commit = world.commit(stack("net"))
    scan = await world.push(commit)
    assert scan.head == commit
    assert [change.path for change in scan.changes] == ["net"]
    code = (await world.codes())["net"]
    assert (code.status, code.current_commit, code.good_commit) == (CodeStatus.ACTIVE, commit, commit)
    assert (code.repository_id, code.ref, code.stack_state_count) == (world.repository.id, "main", 1)
    shown = (await world.stack_states())["hello"]
    assert (shown.state.status, shown.state.desired_commit, shown.state.environment) == ("PENDING", commit, "dev")
    assert shown.conditions == (Condition.UPDATE_AVAILABLE,)
    assert world.runs.take() == [(shown.state.id, commit, False)]
    told = [kind for kind, _ in await world.events()]
    assert told[-4:] == ["push.received", "stack_code.registered", "stack_state.created", "push.handled"]


async def test_the_repository_is_believed_and_not_the_payload(world: World) -> None:
    commit = world.commit(stack(""))
    scan = await world.push("f" * 40)
    assert (scan.head, list(await world.codes())) == (commit, [""])


async def test_two_stacks_in_one_push_and_one_of_them_touched_later(world: World) -> None:
    first = world.commit({**stack("a"), **stack("b", AUTO)})
    await world.push(first)
    states = await world.stack_states()
    assert {(state, auto) for state, _, auto in world.runs.take()} == {
        (states["hello"].state.id, False),
        (states["auto"].state.id, True),
    }
    second = world.commit({**stack("a"), **stack("b", AUTO, MODULE + b"\n")}, first)
    scan = await world.push(second)
    assert [change.path for change in scan.changes] == ["b"]
    assert world.runs.take() == [(states["auto"].state.id, second, True)]
    assert (await world.codes())["a"].current_commit == first
    assert (await world.stack_states())["hello"].state.desired_commit == first


async def test_a_push_that_touches_no_stack_wants_no_run(world: World) -> None:
    first = world.commit(stack("a"))
    await world.push(first)
    world.runs.take()
    scan = await world.push(world.commit({**stack("a"), "README.md": b"words"}, first))
    assert (scan.changes, world.runs.take()) == ([], [])
    again = await world.push(first)
    assert (again.changes, world.runs.take()) == ([], [])


async def test_a_change_in_a_nested_local_module_touches_the_stack(world: World) -> None:
    calls = b'module "x" {\n  source = "../modules/x"\n}\n'
    nested = b'module "y" {\n  source = "../y"\n}\n'
    files = {
        **stack("a", module=calls),
        "modules/x/main.tf": nested,
        "modules/y/main.tf": MODULE,
        "modules/z/main.tf": MODULE,
    }
    first = world.commit(files)
    await world.push(first)
    world.runs.take()
    second = world.commit({**files, "modules/y/main.tf": MODULE + b"# changed\n"}, first)
    await world.push(second)
    assert [commit for _, commit, _ in world.runs.take()] == [second]
    third = world.commit({**files, "modules/y/main.tf": MODULE + b"# changed\n", "modules/z/main.tf": b""}, second)
    assert (await world.push(third)).changes == []


async def test_a_removed_stack_is_deregistered_and_its_states_are_loose_until_it_returns(world: World) -> None:
    first = world.commit({**stack("a"), **stack("b", AUTO)})
    await world.push(first)
    world.runs.take()
    second = world.commit(stack("a"), first)
    await world.push(second)
    assert (await world.codes())["b"].status is CodeStatus.DEREGISTERED
    assert (await world.stack_states())["auto"].state.status == "LOOSE"
    assert world.runs.take() == []
    third = world.commit({**stack("a"), **stack("b", AUTO)}, second)
    await world.push(third)
    code, shown = (await world.codes())["b"], (await world.stack_states())["auto"]
    assert (code.status, code.current_commit) == (CodeStatus.ACTIVE, third)
    assert (shown.state.status, shown.state.desired_commit) == ("PENDING", third)
    assert world.runs.take() == [(shown.state.id, third, False)], "what was loose waits for a person"
    told = [kind for kind, _ in await world.events()]
    assert [kind for kind in told if kind.startswith("stack_code")][2:] == [
        "stack_code.deregistered",
        "stack_code.registered",
    ]
    assert [kind for kind in told if kind.startswith("stack_state")][2:] == [
        "stack_state.loosened",
        "stack_state.returned",
    ]


async def test_a_moved_stack_is_a_new_one_under_a_qualified_name(world: World) -> None:
    first = world.commit(stack("a"))
    await world.push(first)
    second = world.commit(stack("b"), first)
    await world.push(second)
    states = await world.stack_states()
    assert states["hello"].state.status == "LOOSE"
    (moved,) = [name for name in states if name != "hello"]
    assert moved.startswith("hello-acme-infra-")
    assert (await world.codes())["b"].status is CodeStatus.ACTIVE


async def test_stacks_of_one_name_in_one_repository_get_names_of_their_own(world: World) -> None:
    await world.push(world.commit({**stack("a"), **stack("b"), **stack("c")}))
    states = await world.stack_states()
    assert len(states) == 3
    assert len({one.state.stack_code_id for one in states.values()}) == 3
    assert all(name == "hello" or name.startswith("hello-") for name in states)


async def test_state_blocks_come_and_go(world: World) -> None:
    first = world.commit(stack("", TWO))
    await world.push(first)
    assert {name: one.state.state_block for name, one in (await world.stack_states()).items()} == {
        "two-eu": "eu",
        "two-us": "us",
    }
    assert len(world.runs.take()) == 2
    second = world.commit(stack("", ONE), first)
    await world.push(second)
    states = await world.stack_states()
    assert (states["two-eu"].state.status, states["two-us"].state.status) == ("PENDING", "LOOSE")
    assert world.runs.take() == [(states["two-eu"].state.id, second, False)]
    third = world.commit(stack("", TWO), second)
    await world.push(third)
    assert (await world.stack_states())["two-us"].state.status == "PENDING"


async def test_a_renamed_stack_keeps_its_state(world: World) -> None:
    first = world.commit(stack("a"))
    await world.push(first)
    await world.push(world.commit(stack("a", OTHER), first))
    assert list(await world.stack_states()) == ["hello"]


async def test_a_broken_file_keeps_the_last_good_commit(world: World) -> None:
    first = world.commit(stack("a"))
    await world.push(first)
    world.runs.take()
    second = world.commit(stack("a", b'stack "hello" {\n  variabels {\n  }\n}\n'), first)
    await world.push(second)
    code, shown = (await world.codes())["a"], (await world.stack_states())["hello"]
    assert (code.status, code.current_commit, code.good_commit) == (CodeStatus.INVALID, second, first)
    (finding,) = code.findings
    assert (finding.path, finding.line, finding.column, finding.blocking) == ("a/stackly.hcl", 2, 3, True)
    assert "variables" in finding.message
    assert finding.line_text == "  variabels {"
    assert shown.state.desired_commit == first
    assert world.runs.take() == []


async def test_brackets_without_end_are_a_finding(world: World) -> None:
    await world.push(world.commit(stack("a", b'stack "x" {\n  a = ' + b"[" * 1000 + b"]" * 1000 + b"\n}\n")))
    code = (await world.codes())["a"]
    assert (code.status, code.good_commit, await world.stack_states()) == (CodeStatus.INVALID, "", {})
    assert code.findings[0].line == 2


async def test_a_huge_file_is_a_finding(world: World) -> None:
    await world.push(world.commit(stack("a", b"#" * (70 * 1024))))
    assert "bytes" in (await world.codes())["a"].findings[0].message


async def test_a_part_that_is_not_there_yet_blocks_runs_and_says_where(world: World) -> None:
    commit = world.commit(stack("a", HOOKS))
    await world.push(commit)
    code, shown = (await world.codes())["a"], (await world.stack_states())["hello"]
    assert code.status is CodeStatus.INVALID
    assert (shown.state.desired_commit, world.runs.take()) == (commit, [])
    async with world.ground.database.read(world.dev.account_id) as conn:
        with pytest.raises(NotNow) as caught:
            await world.stacks.blueprint(conn, shown.state, commit)
    error = caught.value
    assert (error.reason, error.facts["line"], error.facts["path"]) == ("CONFIG_INVALID", "3", "a/stackly.hcl")
    assert "hooks" in error.message


async def test_a_hostile_tree_blocks_every_stack_in_it(world: World) -> None:
    await world.push(world.commit({**stack("a"), "b/zzzzz_override.tf": b""}))
    code = (await world.codes())["a"]
    assert code.status is CodeStatus.INVALID
    assert [finding.path for finding in code.findings if finding.blocking] == ["b/zzzzz_override.tf"]
    assert world.runs.take() == []
    cured = world.commit(stack("a"), code.current_commit)
    await world.push(cured)
    assert (await world.codes())["a"].status is CodeStatus.ACTIVE
    assert [commit for _, commit, _ in world.runs.take()] == [cured]


async def test_a_push_without_a_stack_changes_nothing(world: World) -> None:
    scan = await world.push(world.commit({"README.md": b"words"}))
    assert (scan.changes, await world.codes()) == ([], {})


async def test_other_branches_are_left_alone(world: World) -> None:
    main = world.commit(stack("a"))
    await world.push(main)
    world.runs.take()
    side = world.commit(stack("a", module=b"# side\n"), main, branch="side")
    scan = await world.push(side, ref="refs/heads/side")
    assert (scan.head, scan.changes, world.runs.take()) == (side, [], [])


async def test_a_deleted_branch_changes_nothing(world: World) -> None:
    main = world.commit(stack("a"))
    await world.push(main)
    world.repo.git("update-ref", "-d", "refs/heads/main")
    scan = await world.push(ZEROS)
    assert "no branch" in scan.outcome
    assert (await world.codes())["a"].status is CodeStatus.ACTIVE


async def test_deliveries_of_one_branch_coalesce(world: World) -> None:
    first = world.commit(stack("a"))
    older = await world.deliver(first)
    second = world.commit(stack("a", module=MODULE + b"\n"), first)
    newer = await world.deliver(second)
    assert (await world.take_up(older)).outcome == "left to a later delivery"
    scan = await world.take_up(newer)
    assert scan.head == second
    assert [commit for _, commit, _ in world.runs.take()] == [second]
    assert (await world.git.scan(newer)).outcome == "handled before"


async def test_a_change_decided_on_an_old_version_is_stale_and_a_repeated_one_answers_the_same(world: World) -> None:
    first = world.commit(stack("a"))
    push = await world.deliver(first)
    scan = await world.git.scan(push)
    at = ChangeAt(push, scan.head, scan.changes[0])
    taken = await world.git.take(at)
    assert await world.git.take(at) == taken
    second = world.commit(stack("a", module=MODULE + b"\n"), first)
    await world.requests.sync(world.subject, f"accounts/dev/stackCodes/{(await world.codes())['a'].slug}")
    assert (await world.codes())["a"].current_commit == second
    assert (await world.git.take(at)).stale


async def test_a_force_push_is_told_and_never_applied_by_itself(world: World) -> None:
    first = world.commit(stack("a", AUTO))
    await world.push(first)
    ((state_id, _, _),) = world.runs.take()
    async with world.ground.database.transaction(world.subject) as tx:
        await world.stacks.applied(tx, state_id, first, state_id, False)
    assert (await world.stack_states())["auto"].conditions == ()
    second = world.commit(stack("a", AUTO, MODULE + b"# new history\n"))
    await world.push(second)
    shown = (await world.stack_states())["auto"]
    assert Condition.HISTORY_MISMATCH in shown.conditions
    assert world.runs.take() == [(state_id, second, False)]
    await world.push(world.commit(stack("a", AUTO), first))
    assert Condition.HISTORY_MISMATCH not in (await world.stack_states())["auto"].conditions
