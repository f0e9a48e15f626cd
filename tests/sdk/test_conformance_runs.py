"""What both clients do with runs, stacks and the rest; `test_conformance_blocking` runs this source again for the blocking one."""

import threading
import time

import pytest

from fakes.sdk_clients import async_client
from fakes.stackly_world import FakeStackly
from stackly.v1 import runs_service_pb2
from stackly_sdk import Secret, errors
from stackly_sdk.values import MASKED


async def test_a_run_is_waited_for_approved_and_read(api: FakeStackly) -> None:
    async with async_client(api) as s:
        stack = await s.stacks.get("hello")
        run = await stack.deploy(message="bump", variables={"n": 3, "key": Secret("s3cret")})
        assert (await run.wait("planned", "10s")).plan_digest == "digest-1"
        with pytest.raises(errors.ApprovalRequired, match="1 more approval of group ops by policy two-eyes"):
            await run.wait()
        assert [change.address async for change in run.changes()] == ["random_pet.name"]
        assert (await run.plan).output_changes[0].output == "greeting"
        await run.approve(comment="lgtm")
        done = await run.wait(timeout="10s")
        assert (done.done, done.status.name) == (True, "APPLIED")
        assert await done.outputs == {"greeting": "hello", "password": MASKED}
        assert await stack.outputs(include_sensitive=True) == {"greeting": "hello", "password": "hunter2"}
    sent = api.requests("CreateRun")[0].run
    assert (sent.variables["n"].json, sent.variables["key"].json) == ("3", '"s3cret"')
    assert sent.variables["key"].sensitive
    assert api.requests("ApproveRun")[0].plan_digest == "digest-1"


async def test_an_approval_binds_the_plan_that_was_read(api: FakeStackly) -> None:
    async with async_client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        await run.wait("waiting", "10s")
        api.runs[run.name].plan_digest = "digest-2"
        with pytest.raises(errors.PlanChanged):
            await run.approve()
        await run.refresh()
        await run.approve()
        assert (await run.wait(timeout="10s")).status.name == "APPLIED"


async def test_a_failed_run_raises_what_terraform_said(api: FakeStackly) -> None:
    async with async_client(api) as s:
        run = await (await s.stacks.get("broken")).deploy()
        with pytest.raises(errors.RunFailed, match=r"main\.tf:3: Missing name") as caught:
            await run.wait(timeout="10s")
    assert caught.value.run.name == run.name


async def test_rejected_and_canceled_runs_have_their_own_errors(api: FakeStackly) -> None:
    async with async_client(api) as s:
        stack = await s.stacks.get("hello")
        rejected, canceled = await stack.deploy(), await stack.deploy()
        await rejected.wait("waiting", "10s")
        await rejected.reject(comment="not on a Friday")
        with pytest.raises(errors.RunDenied, match="rejected by dev: not on a Friday"):
            await rejected.wait()
        await canceled.cancel(reason="test")
        with pytest.raises(errors.RunCanceled):
            await canceled.wait()


async def test_a_wait_that_is_over_leaves_the_run_alone(api: FakeStackly) -> None:
    async with async_client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        began = time.monotonic()
        with pytest.raises(errors.WaitTimeout, match="it goes on"):
            await run.wait(timeout=0.4, approval="wait")
        assert 0.3 < time.monotonic() - began < 5
        assert (await run.refresh()).status.name == "AWAITING_APPROVAL"
    assert api.requests("CancelRun") == []


async def test_a_wait_ends_as_soon_as_somebody_else_acts(api: FakeStackly) -> None:
    async with async_client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        await run.wait("waiting", "10s")
        other = await s.runs.get("hello/1")
        approval = threading.Timer(
            0.2, api.approve_run, (runs_service_pb2.ApproveRunRequest(name=run.name, plan_digest="digest-1"), None)
        )
        approval.start()
        began = time.monotonic()
        assert (await other.wait(approval="wait", timeout="20s")).done
        assert time.monotonic() - began < 5
        approval.join()


async def test_a_stack_is_made_changed_destroyed_and_deleted(api: FakeStackly) -> None:
    async with async_client(api) as s:
        made = await s.stacks.create("new", code="hello-1a2b", labels={"team": "a"}, variables={"size": 2})
        assert (made.id, made.status.name) == ("new", "PENDING")
        await made.update(labels={"team": "b"}, auto_deploy=True)
        assert made.raw.labels == {"team": "b"}
        assert (await made.destroy(message="bye")).raw.type.name == "DESTROY"
        assert (await made.delete()).status.name == "DELETED"
        with pytest.raises(errors.StateNotEmpty):
            await (await s.stacks.get("hello")).delete()
        with pytest.raises(errors.AlreadyExists):
            await s.stacks.create("new", code="hello-1a2b")
    update = api.requests("UpdateStackState")[0]
    assert list(update.update_mask.paths) == ["labels", "auto_deploy"]
    assert update.request_id


async def test_the_rest_is_reached(api: FakeStackly) -> None:
    async with async_client(api) as s:
        assert (await s.codes.get("hello-1a2b")).ref == "main"
        assert (await s.codes.sync("hello-1a2b")).changed
        assert [worker.host async for worker in s.workers.list()] == ["box"]
        assert (await s.workers.drain("w-1")).status.name == "DRAINING"
        assert (await s.workers.create_token(ttl="1h")).join_file == "join me\n"
        assert (await s.keys.create(display_name="ci", expires_in="30d")).secret == "stk_new_secret"
        assert [member.roles async for member in s.members.list()] == [["owner"]]
        lock = await s.state("hello").lock(reason="maintenance", ttl="2h")
        await s.state("hello").unlock(lock.lock_id)
        assert [version.serial async for version in s.state("hello").versions()] == [3, 2]
        with pytest.raises(errors.PolicyInvalid, match="line 1, column 1"):
            await s.policies.create("nonsense")
    assert api.requests("CreateJoinToken")[0].ttl.seconds == 3600
    assert api.requests("LockState")[0].ttl.seconds == 7200


async def test_a_client_of_before_a_fork_says_so(api: FakeStackly, monkeypatch: pytest.MonkeyPatch) -> None:
    async with async_client(api) as s:
        await s.whoami()
        with monkeypatch.context() as child:
            child.setattr("os.getpid", lambda: -1)
            with pytest.raises(RuntimeError, match="fork"):
                await s.whoami()
