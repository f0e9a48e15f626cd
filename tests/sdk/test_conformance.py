"""What both clients do, told once: `test_conformance_blocking` runs this source again for the blocking one."""

import threading
import time
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from fakes.authority import Authority
from fakes.stackly_api import API_KEY, Refused
from fakes.stackly_world import APPLIED, PLANNED, STATE, FakeStackly
from stackly.v1 import events_service_pb2, runs_pb2, runs_service_pb2, stacks_service_pb2
from stackly_sdk import AsyncStackly, RetryPolicy, Secret, errors
from stackly_sdk.aio.credentials import AsyncStaticToken
from stackly_sdk.aio.transport import AsyncConnections, AsyncTransport
from stackly_sdk.channel import target_of
from stackly_sdk.statuses import FieldProblem
from stackly_sdk.values import MASKED

from stackly_sdk._gen.clients.event_service import AsyncEventServiceClient  # isort: skip
from stackly_sdk._gen.clients.run_service import AsyncRunServiceClient  # isort: skip

CODE = grpc.StatusCode
QUICK = RetryPolicy(first=0.001, longest=0.002)
LOG = (PLANNED + APPLIED).decode().splitlines()


def client(api: FakeStackly, **arguments: Any) -> AsyncStackly:
    return AsyncStackly(**{"endpoint": api.url, "api_key": API_KEY, "retries": QUICK, **arguments})


async def transport(api: FakeStackly, silence: float = 45.0) -> AsyncTransport:
    api.good_tokens.add("fixed")
    connections = AsyncConnections(target_of(api.url))
    return AsyncTransport(connections, AsyncStaticToken("fixed"), policy=QUICK, silence=silence)


def unavailable(reason: str = "SHUTTING_DOWN") -> Refused:
    return Refused(CODE.UNAVAILABLE, reason, "The server is stopping.")


# Errors


async def test_a_reason_has_its_own_class_with_facts(api: FakeStackly) -> None:
    api.faults["CreateRun"].append(Refused(CODE.FAILED_PRECONDITION, "STACK_LOCKED", "It is locked.", holder="ann"))
    async with client(api) as s:
        stack = await s.stacks.get("hello")
        with pytest.raises(errors.StackLocked) as caught:
            await stack.deploy()
    assert isinstance(caught.value, errors.FailedPrecondition)
    assert (caught.value.message, caught.value.reason) == ("It is locked.", "STACK_LOCKED")
    assert caught.value.metadata == {"holder": "ann"}
    assert len(api.requests("CreateRun")) == 1


async def test_fields_of_a_bad_request_are_named(api: FakeStackly) -> None:
    fault = Refused(CODE.INVALID_ARGUMENT, "VALIDATION_FAILED", "A field is wrong.", fields={"run.message": "too long"})
    api.faults["CreateRun"].append(fault)
    async with client(api) as s:
        stack = await s.stacks.get("hello")
        with pytest.raises(errors.ValidationFailed, match=r"run\.message: too long") as caught:
            await stack.deploy()
    assert caught.value.fields == (FieldProblem("run.message", "too long"),)


@pytest.mark.parametrize(
    ("code", "reason", "kinds"),
    [
        (CODE.NOT_FOUND, "NOT_FOUND", (errors.NotFound,)),
        (CODE.PERMISSION_DENIED, "", (errors.PermissionDenied,)),
        (CODE.INTERNAL, "INTERNAL", (errors.ServerError,)),
        (CODE.ABORTED, "A_REASON_OF_TOMORROW", (errors.Conflict,)),
        # A reason with another status than its usual one is caught by either.
        (CODE.FAILED_PRECONDITION, "CONCURRENT_CHANGE", (errors.ConcurrentChange, errors.FailedPrecondition)),
        (CODE.DATA_LOSS, "", (errors.StacklyError,)),
    ],
)
async def test_errors_are_told_apart_by_reason_and_status(
    api: FakeStackly, code: grpc.StatusCode, reason: str, kinds: tuple[type[errors.StacklyError], ...]
) -> None:
    api.faults["GetStackState"].append(Refused(code, reason))
    async with client(api) as s:
        with pytest.raises(errors.StacklyError) as caught:
            await s.stacks.get("hello")
    assert all(isinstance(caught.value, kind) for kind in kinds)
    assert caught.value.request_id


async def test_broken_details_leave_the_status(api: FakeStackly) -> None:
    def broken(_request: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\x0a\xff\xff"),))
        context.abort(CODE.NOT_FOUND, "gone")

    api.handlers["GetStackState"] = broken
    async with client(api) as s:
        with pytest.raises(errors.NotFound, match="gone"):
            await s.stacks.get("hello")


# Retries and deadlines


async def test_a_keyed_call_is_tried_again_with_one_request_id(api: FakeStackly) -> None:
    api.faults["CreateRun"].extend([unavailable(), unavailable("DATABASE_UNAVAILABLE")])
    async with client(api) as s:
        stack = await s.stacks.get("hello")
        first = await stack.deploy()
        second = await stack.deploy()
    ids = [request.request_id for request in api.requests("CreateRun")]
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]
    assert (first.id, second.id) == ("hello/run-1", "hello/run-2")
    sent = [metadata["x-request-id"] for name, _, metadata in api.calls if name == "CreateRun"]
    assert len(set(sent[:3])) == 1


async def test_an_answer_that_got_lost_has_no_second_effect(api: FakeStackly) -> None:
    def lost(request: Any, context: grpc.ServicerContext) -> Any:
        api.create_run(request, context)
        api.handlers.pop("CreateRun")
        context.abort(CODE.UNAVAILABLE, "the connection broke after the effect")

    api.handlers["CreateRun"] = lost
    async with client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        assert [each.id async for each in s.runs.list("hello")] == [run.id]


async def test_the_servers_delay_is_kept(api: FakeStackly) -> None:
    api.faults["GetStackState"].append(Refused(CODE.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry=0.2))
    began = time.monotonic()
    async with client(api) as s:
        await s.stacks.get("hello")
    assert time.monotonic() - began >= 0.2


async def test_no_retry_goes_beyond_the_deadline(api: FakeStackly) -> None:
    api.faults["GetStackState"].append(Refused(CODE.UNAVAILABLE, "SHUTTING_DOWN", retry=30.0))
    began = time.monotonic()
    async with client(api, timeout=2.0) as s:
        with pytest.raises(errors.ShuttingDown):
            await s.stacks.get("hello")
    assert time.monotonic() - began < 2.0


async def test_a_call_ends_at_its_deadline(api: FakeStackly) -> None:
    release = threading.Event()

    def slow(_request: Any, _context: grpc.ServicerContext) -> Any:
        release.wait(10)
        return stacks_service_pb2.GetStackStateResponse()

    api.handlers["GetStackState"] = slow
    began = time.monotonic()
    async with client(api, timeout=0.3) as s:
        with pytest.raises(errors.DeadlineExceeded):
            await s.stacks.get(f"{api.url and 'accounts/dev'}/stackStates/hello")
    release.set()
    assert 0.2 < time.monotonic() - began < 3


async def test_the_server_may_restart_between_two_calls(api: FakeStackly) -> None:
    async with client(api, retries=RetryPolicy()) as s:
        await s.stacks.get("hello")
        api.stop()
        restart = threading.Timer(0.3, api.start)
        restart.start()
        assert (await s.stacks.get("hello")).id == "hello"
        restart.join()


# Pages


async def test_a_list_is_read_page_by_page(api: FakeStackly) -> None:
    async with client(api) as s:
        stack = await s.stacks.get("pure")
        for _ in range(5):
            await stack.plan()
        assert [run.raw.number async for run in stack.runs()] == [5, 4, 3, 2, 1]
        assert [len(page.items) async for page in stack.runs().pages()] == [2, 2, 1]
        assert [run.raw.number async for run in s.runs.list("-").limit(3)] == [5, 4, 3]
        newest = await s.runs.list("pure").first()
        assert newest is not None
        assert newest.id == "pure/run-5"
        assert await s.runs.list("hello").first() is None
        assert [run async for run in s.runs.list("pure").limit(0)] == []
    assert [request.page_token for request in api.requests("ListRuns")] == ["", "2", "4"] * 2 + ["", "2"] + [""] * 2


# Streams


async def test_a_log_goes_on_after_each_cut(api: FakeStackly) -> None:
    api.cut_logs_after = [1, 0, 2, 3]
    async with client(api) as s:
        run = await (await s.stacks.get("auto")).deploy()
        assert [line async for line in run.logs()] == LOG
    offsets = [request.offset for request in api.requests("TailRunLogs")]
    assert len(offsets) == 5
    assert offsets == sorted(offsets)


async def test_a_log_goes_on_after_a_restart_of_the_server(api: FakeStackly) -> None:
    async with client(api, retries=RetryPolicy()) as s:
        run = await (await s.stacks.get("hello")).deploy()
        await run.wait("waiting", "10s")
        lines: list[str] = []
        async for line in run.logs():
            lines.append(line)
            if len(lines) == 2:
                api.stop()
                api.start()
                await run.approve()
        assert lines == LOG


async def test_a_log_can_be_read_without_following(api: FakeStackly) -> None:
    async with client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        await run.wait("waiting", "10s")
        assert [line async for line in run.logs(follow=False)] == PLANNED.decode().splitlines()


async def test_a_silent_stream_is_started_again(api: FakeStackly) -> None:
    gone = threading.Event()

    def silent(_request: Any, context: grpc.ServicerContext) -> Any:
        del api.handlers["TailRunLogs"]
        yield runs_service_pb2.TailRunLogsResponse(
            next_offset=len(PLANNED), chunk=runs_pb2.LogChunk(text=PLANNED.decode())
        )
        context.add_callback(gone.set)
        gone.wait(10)

    api.handlers["TailRunLogs"] = silent
    async with client(api) as s:
        run = await (await s.stacks.get("auto")).deploy()
    stream = AsyncRunServiceClient(await transport(api, silence=0.3)).tail_run_logs(name=run.name)
    text = "".join([record.chunk.text async for record in stream if record.chunk is not None])
    assert text.splitlines() == LOG
    assert stream.resumed == 1
    assert gone.wait(5)


async def test_a_slow_reader_goes_on_and_an_error_in_band_is_raised(api: FakeStackly) -> None:
    lagging = Refused(CODE.RESOURCE_EXHAUSTED, "STREAM_LAGGING").status()
    expired = Refused(CODE.OUT_OF_RANGE, "RESUME_EXPIRED", "Too old.").status()
    asked: list[str] = []

    def events(request: Any, _context: grpc.ServicerContext) -> Any:
        asked.append(request.resume_token)
        yield events_service_pb2.WatchEventsResponse(resume_token="7", heartbeat=events_service_pb2.Heartbeat())
        yield events_service_pb2.WatchEventsResponse(resume_token="8", end=lagging if len(asked) == 1 else expired)

    api.handlers["WatchEvents"] = events
    with pytest.raises(errors.ResumeExpired, match="Too old"):
        async for _ in AsyncEventServiceClient(await transport(api)).watch_events(parent="accounts/dev"):
            pass
    assert asked == ["", "8"]


async def test_a_watch_goes_on_after_a_good_end(api: FakeStackly) -> None:
    seen: list[int] = []
    async with client(api) as s:
        async for event in s.events.watch(resume_token="0"):
            seen.append(event.sequence)
            if len(seen) == 7:
                break
    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_a_server_that_ends_each_stream_at_once_is_not_stormed(api: FakeStackly) -> None:
    asked: list[float] = []

    def ends(_request: Any, _context: grpc.ServicerContext) -> Any:
        asked.append(time.monotonic())
        if len(asked) == 4:
            raise Refused(CODE.OUT_OF_RANGE, "RESUME_EXPIRED")
        yield events_service_pb2.WatchEventsResponse(resume_token="1", end=status_pb2.Status())

    api.handlers["WatchEvents"] = ends
    async with client(api, retries=RetryPolicy(first=0.1)) as s:
        with pytest.raises(errors.ResumeExpired):
            async for _ in s.events.watch():
                pass
    assert asked[-1] - asked[0] >= 0.3


async def test_polls_without_news_are_not_stormed(api: FakeStackly) -> None:
    asked: list[float] = []

    def at_once(request: Any, context: grpc.ServicerContext) -> Any:
        asked.append(time.monotonic())
        request.timeout.Clear()
        return api.wait_run(request, context)

    async with client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        await run.wait("waiting", "10s")
        api.handlers["WaitRun"] = at_once
        with pytest.raises(errors.WaitTimeout):
            await run.wait(timeout=1.0, approval="wait")
    assert len(asked) < 10


async def test_an_export_is_whole_or_an_error(api: FakeStackly) -> None:
    async with client(api) as s:
        assert await s.state("hello").export() == STATE

        def cut(_request: Any, _context: grpc.ServicerContext) -> Any:
            yield runs_and_states_chunk()
            yield end_of_export(status_pb2.Status(code=13, message="the disk broke"))

        api.handlers["ExportStateVersion"] = cut
        with pytest.raises(errors.ServerError, match="the disk broke"):
            await s.state("hello").export()


def runs_and_states_chunk() -> Any:
    from stackly.v1 import states_service_pb2

    return states_service_pb2.ExportStateVersionResponse(chunk=b"{")


def end_of_export(status: Any) -> Any:
    from stackly.v1 import states_service_pb2

    return states_service_pb2.ExportStateVersionResponse(end=status)


# Credentials


async def test_a_token_is_refreshed_before_it_ends(api: FakeStackly) -> None:
    api.token_seconds = 30.0
    async with client(api, account="dev") as s:
        for _ in range(3):
            await s.stacks.get("hello")
    assert len(api.requests("ExchangeToken")) == 1
    assert len(api.requests("RefreshToken")) == 2


async def test_a_spent_refresh_token_leads_back_to_the_key(api: FakeStackly) -> None:
    api.token_seconds = 30.0
    async with client(api, account="dev") as s:
        await s.stacks.get("hello")
        api.refresh_tokens.clear()
        await s.stacks.get("hello")
    assert len(api.requests("ExchangeToken")) == 2


async def test_a_revoked_token_is_replaced_once(api: FakeStackly) -> None:
    async with client(api, account="dev") as s:
        await s.stacks.get("hello")
        api.good_tokens.clear()
        await s.stacks.get("hello")
        api.faults["GetStackState"].extend([Refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID")] * 2)
        with pytest.raises(errors.TokenInvalid):
            await s.stacks.get("hello")


async def test_a_bad_key_is_login_required(api: FakeStackly) -> None:
    async with client(api, api_key="stk_not_a_key") as s:
        with pytest.raises(errors.LoginRequired, match="stackly login"):
            await s.stacks.get("hello")


async def test_without_credentials_the_first_call_says_so(api: FakeStackly) -> None:
    async with client(api, api_key="") as s:
        with pytest.raises(errors.LoginRequired):
            await s.whoami()


async def test_without_a_server_login_is_required() -> None:
    with pytest.raises(errors.LoginRequired, match="STACKLY_ENDPOINT"):
        AsyncStackly()


async def test_secrets_are_in_no_repr(api: FakeStackly) -> None:
    async with client(api) as s:
        await s.whoami()
        assert API_KEY not in repr(vars(s)) + repr(Secret(API_KEY))


async def test_a_given_token_and_channel_are_used(api: FakeStackly) -> None:
    from stackly_sdk.tasks import close_channel, open_channel

    api.good_tokens.add("mine")
    channel = open_channel(target_of(api.url), streams=False)
    async with AsyncStackly(channel=channel, token="mine", account="dev") as s:
        assert (await s.stacks.get("hello")).id == "hello"
    async with AsyncStackly(channel=channel, token="mine", account="dev") as s:
        assert (await s.stacks.get("hello")).id == "hello"
    await close_channel(channel)


async def test_tls_with_a_ca_file(home: Any) -> None:
    authority, stranger = Authority.make(), Authority.make()
    chain, key = authority.server()
    fake = FakeStackly()
    fake.start(grpc.ssl_server_credentials([(key, chain)]))
    good, bad = home / "ca.pem", home / "other.pem"
    good.write_text(authority.pem)
    bad.write_text(stranger.pem)
    address = f"https://127.0.0.1:{fake.port}"
    async with AsyncStackly(endpoint=address, api_key=API_KEY, ca_file=good) as s:
        assert (await s.whoami()).account == "accounts/dev"
    async with AsyncStackly(endpoint=address, api_key=API_KEY, ca_file=bad, timeout=3.0) as s:
        with pytest.raises(errors.StacklyError):
            await s.whoami()
    fake.stop()
    assert len(fake.requests("WhoAmI")) == 1


# Runs


async def test_a_run_is_waited_for_approved_and_read(api: FakeStackly) -> None:
    async with client(api) as s:
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
    async with client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        await run.wait("waiting", "10s")
        api.runs[run.name].plan_digest = "digest-2"
        with pytest.raises(errors.PlanChanged):
            await run.approve()
        await run.refresh()
        await run.approve()
        assert (await run.wait(timeout="10s")).status.name == "APPLIED"


async def test_a_failed_run_raises_what_terraform_said(api: FakeStackly) -> None:
    async with client(api) as s:
        run = await (await s.stacks.get("broken")).deploy()
        with pytest.raises(errors.RunFailed, match=r"main\.tf:3: Missing name") as caught:
            await run.wait(timeout="10s")
    assert caught.value.run.name == run.name


async def test_rejected_and_canceled_runs_have_their_own_errors(api: FakeStackly) -> None:
    async with client(api) as s:
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
    async with client(api) as s:
        run = await (await s.stacks.get("hello")).deploy()
        began = time.monotonic()
        with pytest.raises(errors.WaitTimeout, match="it goes on"):
            await run.wait(timeout=0.4, approval="wait")
        assert 0.3 < time.monotonic() - began < 5
        assert (await run.refresh()).status.name == "AWAITING_APPROVAL"
    assert api.requests("CancelRun") == []


async def test_a_wait_ends_as_soon_as_somebody_else_acts(api: FakeStackly) -> None:
    async with client(api) as s:
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
    async with client(api) as s:
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
    async with client(api) as s:
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
    async with client(api) as s:
        await s.whoami()
        with monkeypatch.context() as child:
            child.setattr("os.getpid", lambda: -1)
            with pytest.raises(RuntimeError, match="fork"):
                await s.whoami()
