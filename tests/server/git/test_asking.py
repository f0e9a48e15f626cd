"""Registering and syncing by hand."""

import pytest

from pushing import MODULE, STACK, World
from stackly_server.errors import Denied, Invalid, NotFound, NotNow, StacklyError
from stackly_server.stacks.model import CodeStatus


async def refused(world: World, *, repository: str = "", path: str = "", ref: str = "") -> StacklyError:
    with pytest.raises(StacklyError) as caught:
        await world.requests.register(world.subject, "accounts/dev", repository or world.repository_name, path, ref)
    return caught.value


async def test_registering_by_hand_starts_no_run_and_is_repeatable(world: World) -> None:
    commit = world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    code = await world.requests.register(world.subject, "accounts/dev", world.repository_name, "", "")
    assert (code.repo_path, code.current_commit) == ("", commit)
    assert list(await world.stack_states()) == ["hello"]
    again = await world.requests.register(world.subject, "accounts/dev", world.repository_name, "/", "main")
    assert again == code
    assert world.runs.take() == []


async def test_a_code_may_follow_another_branch(world: World) -> None:
    world.commit({"a/stackly.hcl": STACK})
    side = world.commit({"a/stackly.hcl": STACK, "a/x.tf": MODULE}, branch="side")
    code = await world.requests.register(world.subject, "accounts/dev", world.repository_name, "a", "side")
    assert (code.ref, code.current_commit) == ("side", side)
    later = world.commit({"a/stackly.hcl": STACK}, side, branch="side")
    scan = await world.push(later, ref="refs/heads/side")
    assert [change.path for change in scan.changes] == ["a"]


async def test_what_is_missing_is_said(world: World) -> None:
    world.commit({"a/main.tf": MODULE})
    assert (await refused(world, path="a")).reason == "CONFIG_MISSING"
    assert (await refused(world, ref="nowhere")).reason == "REF_NOT_FOUND"
    unknown = await refused(world, repository="accounts/dev/repositories/unknown")
    assert (type(unknown), unknown.reason) == (NotNow, "REPOSITORY_NOT_CONNECTED")
    assert isinstance(await refused(world, repository="accounts/rival/repositories/x"), NotNow | NotFound)
    assert isinstance(await refused(world, path="../x"), Invalid)
    assert await world.codes() == {}


async def test_a_file_with_errors_is_refused_with_places_and_nothing_is_registered(world: World) -> None:
    world.commit({"a/stackly.hcl": b'stack "x" {\n  labels = 3\n}\n'})
    error = await refused(world, path="a")
    assert (error.reason, error.facts["line"], error.facts["column"]) == ("CONFIG_INVALID", "2", "12")
    assert error.fields[0].field == "a/stackly.hcl:2:12"
    assert await world.codes() == {}


async def test_syncing_takes_up_changes_removal_and_return(world: World) -> None:
    first = world.commit({"a/stackly.hcl": STACK, "a/main.tf": MODULE})
    code = await world.requests.register(world.subject, "accounts/dev", world.repository_name, "a", "")
    name = f"accounts/dev/stackCodes/{code.slug}"
    assert await world.requests.sync(world.subject, name) == (code, False)
    second = world.commit({"a/stackly.hcl": STACK, "a/main.tf": b""}, first)
    changed, did = await world.requests.sync(world.subject, name)
    assert (changed.current_commit, did) == (second, True)
    third = world.commit({"README.md": b""}, second)
    gone, did = await world.requests.sync(world.subject, name)
    assert (gone.status, did) == (CodeStatus.DEREGISTERED, True)
    assert (await world.requests.sync(world.subject, name))[1] is False
    world.commit({"a/stackly.hcl": STACK}, third)
    back, did = await world.requests.sync(world.subject, name)
    assert (back.status, did) == (CodeStatus.ACTIVE, True)
    assert world.runs.take() == []


async def test_readers_may_not(world: World) -> None:
    viewer = world.dev.subject("stacks.read")
    with pytest.raises(Denied):
        await world.requests.register(viewer, "accounts/dev", world.repository_name, "", "")
