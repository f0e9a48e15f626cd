"""Pushes with the real runs room behind them."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pushing import MODULE, STACK, World
from stackly_server.assembly import Rooms, rooms
from stackly_server.runs.model import Status, Trigger
from stackly_server.runs.service import Shown
from stackly_server.runs.store import Filter

AUTO = b'stack "hello" {\n  auto_deploy = true\n  policies = ["two"]\n}\n'


@pytest.fixture
async def whole(world: World) -> AsyncIterator[tuple[World, Rooms]]:
    async with rooms(world.ground) as into:
        yield replace(world, git=into.git, stacks=into.stacks), into


async def runs_of(world: World, into: Rooms) -> list[Shown]:
    """Oldest first."""
    return (await into.runs.page(world.subject, "accounts/dev/stackStates/hello", Filter(), 50))[::-1]


async def test_a_push_makes_a_run_and_a_newer_one_takes_its_place(whole: tuple[World, Rooms]) -> None:
    world, into = whole
    first = world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    await world.push(first)
    (run,) = await runs_of(world, into)
    assert (run.run.status, run.run.trigger, run.run.to_commit) == (Status.QUEUED, Trigger.PUSH, first)
    assert (run.run.message, run.run.auto_apply) == ("a change", False)
    assert (await world.stack_states())["hello"].current_run == 1
    second = world.commit({"stackly.hcl": STACK, "main.tf": b""}, first)
    await world.push(second)
    old, new = await runs_of(world, into)
    assert (old.run.status, new.run.status, new.run.to_commit) == (Status.SUPERSEDED, Status.QUEUED, second)
    assert (await world.stack_states())["hello"].current_run == 2


async def test_the_same_delivery_twice_makes_one_run(whole: tuple[World, Rooms]) -> None:
    world, into = whole
    push = await world.deliver(world.commit({"stackly.hcl": AUTO, "main.tf": MODULE}))
    scan = await world.git.scan(push)
    from stackly_server.git.push import ChangeAt

    at = ChangeAt(push, scan.head, scan.changes[0])
    for _ in range(2):
        for wanted in (await world.git.take(at)).runs:
            name = await world.git.start_run(wanted)
            assert name == "accounts/dev/stackStates/hello/runs/run-1"
    (run,) = await runs_of(world, into)
    assert run.run.auto_apply


async def test_a_blocked_stack_gets_no_run_by_hand_either(whole: tuple[World, Rooms]) -> None:
    from stackly_server.errors import NotNow
    from stackly_server.runs.model import NewRun, RunType

    world, into = whole
    await world.push(world.commit({"stackly.hcl": b'stack "hello" {\n  drift {\n  }\n}\n', "main.tf": MODULE}))
    assert await runs_of(world, into) == []
    with pytest.raises(NotNow) as caught:
        await into.runs.create(world.subject, "accounts/dev/stackStates/hello", NewRun(RunType.APPLY))
    assert (caught.value.reason, caught.value.facts["line"]) == ("CONFIG_INVALID", "2")
