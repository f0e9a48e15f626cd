"""From a delivery to registered stacks and wanted runs."""

from pushing import MODULE, STACK, World
from stackly_server.stacks.model import CodeStatus


async def test_a_push_registers_a_stack_its_state_and_wants_a_run(world: World) -> None:
    commit = world.commit({"net/stackly.hcl": STACK, "net/main.tf": MODULE})
    scan = await world.push(commit)
    assert scan.head == commit
    assert [change.path for change in scan.changes] == ["net"]
    code = (await world.codes())["net"]
    assert (code.status, code.current_commit, code.good_commit) == (CodeStatus.ACTIVE, commit, commit)
    shown = (await world.stack_states())["hello"]
    assert (shown.state.status, shown.state.desired_commit, shown.state.environment) == ("PENDING", commit, "dev")
    assert world.runs.take() == [(shown.state.id, commit, False)]


async def test_registering_by_hand_starts_no_run(world: World) -> None:
    commit = world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    code = await world.requests.register(world.subject, "accounts/dev", world.repository_name, "", "")
    assert (code.repo_path, code.current_commit) == ("", commit)
    assert list(await world.stack_states()) == ["hello"]
    again = await world.requests.register(world.subject, "accounts/dev", world.repository_name, "", "")
    assert again == code
    assert world.runs.take() == []
