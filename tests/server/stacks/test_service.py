"""Stack states: made, changed, deleted, brought back; and what runs tell of them."""

import asyncio
from uuid import uuid4

import pytest

from pushing import MODULE, World
from stackly_server.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound, NotNow
from stackly_server.stacks.model import Condition
from stackly_server.stacks.service import NewStackState, ShownState, StackStateChange
from stackly_server.stacks.variables import Variables

NAME = "accounts/dev/stackStates/net"
FILE = b"""stack "net" {
  labels      = { team = "net", tier = "2" }
  policies    = ["two_people"]
  environment = "prod"
  variables {
    region = "eu-west-1"
    count  = 3
    exact  = 1234567890123456789.25
  }
  terraform { version = "~> 1.11" }
  requires {
    features = ["docker"]
    labels   = { zone = "eu" }
  }
  timeouts { plan = "5m" }
}
"""


@pytest.fixture
async def net(world: World) -> ShownState:
    world.commit({"net/stackly.hcl": FILE, "net/main.tf": MODULE})
    await world.requests.register(world.subject, "accounts/dev", world.repository_name, "net", "")
    return (await world.stack_states())["net"]


async def code_name(world: World) -> str:
    return f"accounts/dev/stackCodes/{(await world.codes())['net'].slug}"


async def test_a_blueprint_is_all_that_a_run_goes_by(world: World, net: ShownState) -> None:
    change = StackStateChange(
        {"tier": "1"}, Variables({"region": '"us-east-1"'}, {"token": '"hush-hush"'}), auto_deploy=True
    )
    shown = await world.stacks.update(world.subject, NAME, change)
    async with world.ground.database.read(world.dev.account_id) as conn:
        blueprint = await world.stacks.blueprint(conn, shown.state, net.state.desired_commit)
    assert (blueprint.repo_path, blueprint.engine, blueprint.constraint) == ("net", "terraform", "~> 1.11")
    assert (blueprint.features, blueprint.required_labels) == (("docker",), {"zone": "eu"})
    assert (blueprint.plan_timeout_seconds, blueprint.apply_timeout_seconds) == (300, 7200)
    assert (blueprint.policies, blueprint.environment, blueprint.auto_deploy) == (("two_people",), "prod", True)
    assert blueprint.labels == {"team": "net", "tier": "1"}
    assert blueprint.variables == {"region": '"us-east-1"', "count": "3", "exact": "1234567890123456789.25"}
    assert blueprint.message == "a change"
    assert await world.stacks.secret_variables(world.dev.account_id, shown.state) == {"token": '"hush-hush"'}


async def test_an_unknown_commit_is_refused(world: World, net: ShownState) -> None:
    async with world.ground.database.read(world.dev.account_id) as conn:
        with pytest.raises(NotNow) as caught:
            await world.stacks.blueprint(conn, net.state, "a" * 40)
    assert caught.value.reason == "REF_NOT_FOUND"


async def test_secrets_are_sealed_and_never_shown(world: World, net: ShownState) -> None:
    await world.stacks.update(world.subject, NAME, StackStateChange(variables=Variables({}, {"token": '"hush-hush"'})))
    shown = await world.stacks.get(world.subject, NAME)
    assert shown.secrets == ("token",)
    assert "hush-hush" not in repr(shown)
    async with world.ground.database.read(world.dev.account_id) as conn:
        cursor = await conn.execute("SELECT secret_variables FROM stack_states WHERE name = 'net'")
        row = await cursor.fetchone()
    assert row is not None
    assert bytes(row[0]).startswith(b"S1")
    assert b"hush" not in bytes(row[0])


async def test_variables_change_kind_and_go(world: World, net: ShownState) -> None:
    for variables, plain, secret in [
        (Variables({"a": "1", "b": "2"}, {"c": "3"}), {"a": "1", "b": "2"}, ("c",)),
        (Variables({"c": "4"}, {"a": "5"}), {"b": "2", "c": "4"}, ("a",)),
        (Variables({"b": "", "a": ""}, {}), {"c": "4"}, ()),
    ]:
        shown = await world.stacks.update(world.subject, NAME, StackStateChange(variables=variables))
        assert (dict(shown.state.variables), shown.secrets) == (plain, secret)


@pytest.mark.parametrize(
    "variables",
    [
        Variables({"region": "eu-west-1"}, {}),
        Variables({"region": "NaN"}, {}),
        Variables({}, {"region": "[" * 5000}),
        Variables({"1a": "1"}, {}),
        Variables({"a b": "1"}, {}),
        Variables({f"v{n}": "1" for n in range(201)}, {}),
    ],
)
async def test_bad_variables_are_refused_and_not_repeated(world: World, net: ShownState, variables: Variables) -> None:
    with pytest.raises(Invalid) as caught:
        await world.stacks.update(world.subject, NAME, StackStateChange(variables=variables))
    assert caught.value.fields
    assert "eu-west-1" not in caught.value.message


async def test_an_etag_is_checked_and_changes_with_each_change(world: World, net: ShownState) -> None:
    first = await world.stacks.update(world.subject, NAME, StackStateChange({"a": "b"}, etag=net.state.etag))
    assert first.state.etag != net.state.etag
    with pytest.raises(Conflict) as caught:
        await world.stacks.update(world.subject, NAME, StackStateChange({"a": "c"}, etag=net.state.etag))
    assert caught.value.reason == "ETAG_MISMATCH"


async def test_changes_without_an_etag_do_not_disturb_one_another(world: World, net: ShownState) -> None:
    changes = [StackStateChange(variables=Variables({f"v{n}": str(n)}, {})) for n in range(4)]
    await asyncio.gather(*(world.stacks.update(world.subject, NAME, change) for change in changes))
    assert dict((await world.stacks.get(world.subject, NAME)).state.variables) == {f"v{n}": str(n) for n in range(4)}


async def test_a_deleted_one_is_not_changed(world: World, net: ShownState) -> None:
    await world.stacks.delete(world.subject, NAME, "", force=False)
    with pytest.raises(NotNow) as caught:
        await world.stacks.update(world.subject, NAME, StackStateChange({"a": "b"}))
    assert caught.value.reason == "STACK_STATE_GONE"


async def test_people_make_stack_states_of_a_code(world: World, net: ShownState) -> None:
    new = NewStackState(
        "net-copy", await code_name(world), labels={"x": "y"}, variables=Variables({"a": "1"}, {"s": '"t"'})
    )
    made = await world.stacks.create(world.subject, "accounts/dev", new)
    assert (made.state.status, made.state.desired_commit) == ("PENDING", net.state.desired_commit)
    assert (made.labels, made.secrets) == ({"team": "net", "tier": "2", "x": "y"}, ("s",))
    assert (made.head.serial, made.namespace) == (0, "default")
    assert sorted(await world.stack_states()) == ["net", "net-copy"]
    with pytest.raises(AlreadyExists):
        await world.stacks.create(world.subject, "accounts/dev", new)
    later = world.commit({"net/stackly.hcl": FILE, "net/main.tf": b""}, net.state.desired_commit)
    await world.push(later)
    assert {one.state.desired_commit for one in (await world.stack_states()).values()} == {later}
    assert len(world.runs.take()) == 2


async def test_what_cannot_be_made_is_refused(world: World, net: ShownState) -> None:
    with pytest.raises(NotFound):
        await world.stacks.create(world.subject, "accounts/dev", NewStackState("x", "accounts/dev/stackCodes/none"))
    new = NewStackState("x", await code_name(world), namespace="nowhere")
    with pytest.raises(NotFound):
        await world.stacks.create(world.subject, "accounts/dev", new)
    await world.push(world.commit({"README.md": b""}, net.state.desired_commit))
    with pytest.raises(NotNow) as caught:
        await world.stacks.create(world.subject, "accounts/dev", NewStackState("x", await code_name(world)))
    assert caught.value.reason == "STACK_CODE_NOT_REGISTERED"
    with pytest.raises(Denied):
        await world.stacks.create(world.dev.subject("stacks.read"), "accounts/dev", NewStackState("x", "y"))


async def test_deleting_and_bringing_back(world: World, net: ShownState) -> None:
    gone = await world.stacks.delete(world.subject, NAME, net.state.etag, force=False)
    assert gone.state.status == "DELETED"
    assert gone.state.deleted_at is not None
    assert gone.state.purge_at is not None
    assert (gone.state.purge_at - gone.state.deleted_at).days == 30
    assert (await world.stacks.delete(world.subject, NAME, "", force=False)).state.version == gone.state.version
    assert await world.stack_states() == {}
    assert list(await world.stack_states(deleted=True)) == ["net"]
    await world.push(world.commit({"net/stackly.hcl": FILE, "net/main.tf": b""}, net.state.desired_commit))
    assert (await world.stack_states(), world.runs.take()) == ({}, []), "what a person deleted is not made anew"
    back = await world.stacks.undelete(world.subject, NAME)
    assert (back.state.status, back.state.deleted_at) == ("PENDING", None)
    with pytest.raises(NotNow) as caught:
        await world.stacks.undelete(world.subject, NAME)
    assert caught.value.reason == "NOT_DELETED"


async def test_what_comes_back_without_its_code_is_loose(world: World, net: ShownState) -> None:
    await world.stacks.delete(world.subject, NAME, "", force=False)
    await world.push(world.commit({"README.md": b""}, net.state.desired_commit))
    assert (await world.stacks.undelete(world.subject, NAME)).state.status == "LOOSE"


async def test_resources_and_runs_keep_a_stack_state_from_being_deleted(world: World, net: ShownState) -> None:
    async with world.ground.database.transaction(world.subject) as tx:
        await tx.conn.execute("UPDATE state_heads SET resource_count = 3")
    with pytest.raises(NotNow) as caught:
        await world.stacks.delete(world.subject, NAME, "", force=False)
    assert (caught.value.reason, caught.value.facts["resource_count"]) == ("STATE_NOT_EMPTY", "3")
    async with world.ground.database.transaction(world.subject) as tx:
        await insert_run(tx.conn, world, net, 1)
    with pytest.raises(NotNow) as caught:
        await world.stacks.delete(world.subject, NAME, "", force=True)
    assert caught.value.reason == "RUN_IN_PROGRESS"
    assert (await world.stacks.get(world.subject, NAME)).current_run == 1
    async with world.ground.database.transaction(world.subject) as tx:
        await tx.conn.execute("UPDATE runs SET status = 'CANCELED', done_at = now()")
    assert (await world.stacks.delete(world.subject, NAME, "", force=True)).state.status == "DELETED"


async def insert_run(conn: object, world: World, shown: ShownState, number: int) -> None:
    await conn.execute(  # type: ignore[attr-defined]
        """
        INSERT INTO runs (account_id, id, stack_state_id, number, type, trigger, status, from_commit, to_commit, message,
            auto_apply, creator, selector_hash)
        VALUES (%s, %s, %s, %s, 'APPLY', 'API', 'QUEUED', '', '', '', false, '', '')
        """,
        (world.dev.account_id, uuid4(), shown.state.id, number),
    )


async def test_the_life_that_runs_give_it(world: World, net: ShownState) -> None:
    stacks, commit, id_ = world.stacks, net.state.desired_commit, net.state.id

    async def status() -> str:
        return (await stacks.get(world.subject, NAME)).state.status

    async with world.ground.database.transaction(world.subject) as tx:
        await stacks.run_failed(tx, id_, False)
    assert Condition.LAST_RUN_FAILED in (await stacks.get(world.subject, NAME)).conditions
    async with world.ground.database.transaction(world.subject) as tx:
        await stacks.applied(tx, id_, commit, uuid4(), False)
    shown = await stacks.get(world.subject, NAME)
    assert (shown.state.status, shown.state.commit_hash, shown.conditions) == ("ACTIVE", commit, ())
    async with world.ground.database.transaction(world.subject) as tx:
        await stacks.destroying(tx, id_)
    assert await status() == "DESTROYING"
    async with world.ground.database.transaction(world.subject) as tx:
        await stacks.run_failed(tx, id_, True)
    assert await status() == "ACTIVE"
    async with world.ground.database.transaction(world.subject) as tx:
        await stacks.destroying(tx, id_)
        await stacks.applied(tx, id_, commit, uuid4(), True)
    assert await status() == "DESTROYED"
    async with world.ground.database.transaction(world.subject) as tx:
        with pytest.raises(NotNow):
            await stacks.destroying(tx, id_)
    async with world.ground.database.transaction(world.subject) as tx:
        await stacks.applied(tx, id_, commit, uuid4(), False)
    assert await status() == "ACTIVE"


async def test_a_destroy_that_fails_after_the_code_is_gone_leaves_it_loose(world: World, net: ShownState) -> None:
    async with world.ground.database.transaction(world.subject) as tx:
        await world.stacks.destroying(tx, net.state.id)
    await world.push(world.commit({"README.md": b""}, net.state.desired_commit))
    assert (await world.stacks.get(world.subject, NAME)).state.status == "DESTROYING"
    async with world.ground.database.transaction(world.subject) as tx:
        await world.stacks.run_failed(tx, net.state.id, True)
    assert (await world.stacks.get(world.subject, NAME)).state.status == "LOOSE"


async def test_a_destroyed_stack_is_not_made_anew_by_a_push(world: World, net: ShownState) -> None:
    async with world.ground.database.transaction(world.subject) as tx:
        await world.stacks.destroying(tx, net.state.id)
        await world.stacks.applied(tx, net.state.id, net.state.desired_commit, uuid4(), True)
    await world.push(world.commit({"net/stackly.hcl": FILE, "net/main.tf": b""}, net.state.desired_commit))
    assert world.runs.take() == []
    assert (await world.stacks.get(world.subject, NAME)).state.status == "DESTROYED"


async def test_a_name_of_another_account_is_not_found(world: World, net: ShownState) -> None:
    for name in ("accounts/rival/stackStates/net", "accounts/dev/stackStates/none"):
        with pytest.raises(NotFound):
            await world.stacks.get(world.subject, name)
