"""What the fake Stackly holds: stacks whose names say what becomes of their runs."""

import datetime as dt
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc
from google.rpc import status_pb2

from fakes.stackly_api import ACCOUNT, FakeTokens, Refused
from stackly.v1 import (
    accounts_pb2,
    accounts_service_pb2,
    events_pb2,
    events_service_pb2,
    policies_pb2,
    policies_service_pb2,
    runs_pb2,
    runs_service_pb2,
    stacks_pb2,
    stacks_service_pb2,
    states_pb2,
    states_service_pb2,
    worker_registry_pb2,
    workers_pb2,
)

PLANNED = b"Terraform will perform the following actions:\nPlan: 1 to add.\n"
APPLIED = "greeting: gr\u00fc\u00df dich\nApply complete!\n".encode()
STATE = b'{"version": 4, "serial": 3, "outputs": {}}' * 20_000
CODE = f"{ACCOUNT}/stackCodes/hello-1a2b"
WORKER = f"{ACCOUNT}/namespaces/default/workers/w-1"


class FakeStackly(FakeTokens):
    """`hello` waits for approval, `auto` applies by itself, `broken` fails to plan, `pure` has no changes."""

    def __init__(self) -> None:
        super().__init__()
        self.stacks = {
            f"{ACCOUNT}/stackStates/{name}": stacks_pb2.StackState(
                name=f"{ACCOUNT}/stackStates/{name}",
                etag='"1"',
                stack_code=CODE,
                status=stacks_pb2.STACK_STATE_STATUS_ACTIVE,
            )
            for name in ("auto", "broken", "hello", "pure")
        }
        self.runs: dict[str, runs_pb2.Run] = {}
        self.logs: dict[str, bytearray] = {}
        self.by_request: dict[str, str] = {}
        self.policies: dict[str, policies_pb2.Policy] = {}
        self.lock: states_pb2.StateLock | None = None
        self.cut_logs_after: list[int] = []
        self.page_size = 2
        self.hold_plans = False
        self.graph = runs_pb2.ExecutionGraph(commit="c0ffee" * 6)
        self.steps = [runs_pb2.RunStep(name="plan-1-b1", status=runs_pb2.RUN_STEP_STATUS_SUCCEEDED)]
        self.rounds = 0  # applies that leave something to be planned again

    # Runs

    def create_run(self, request: Any, context: grpc.ServicerContext) -> Any:
        stack = self._stack(request.parent)
        if request.request_id and request.request_id in self.by_request:
            return runs_service_pb2.CreateRunResponse(run=self.runs[self.by_request[request.request_id]])
        run = self._new_run(stack.name, request.run)
        self.by_request[request.request_id] = run.name
        return runs_service_pb2.CreateRunResponse(run=run)

    def _new_run(self, stack: str, asked: runs_pb2.Run) -> runs_pb2.Run:
        with self.changed:
            number = 1 + sum(name.startswith(f"{stack}/") for name in self.runs)
            run = runs_pb2.Run()
            run.CopyFrom(asked)
            run.ClearField("variables")
            run.name, run.number = f"{stack}/runs/run-{number}", number
            run.type = run.type or runs_pb2.RUN_TYPE_APPLY
            run.created_at.FromDatetime(dt.datetime(2026, 11, 24, tzinfo=dt.UTC))
            self.runs[run.name], self.logs[run.name] = run, bytearray()
            self._become(run, runs_pb2.RUN_STATUS_QUEUED)
        threading.Thread(target=self._plan, args=(run,), daemon=True).start()
        copy = runs_pb2.Run()
        copy.CopyFrom(run)
        return copy

    def _become(self, run: runs_pb2.Run, status: int, outcome: int = 0, log: bytes = b"") -> None:
        with self.changed:
            if run.done:
                return
            self.logs[run.name] += log
            run.status, run.outcome, run.done = status, outcome, bool(outcome)  # type: ignore[assignment]
            run.etag = f'"{run.status}"'
            self.changed.notify_all()

    def _plan(self, run: runs_pb2.Run) -> None:
        self._become(run, runs_pb2.RUN_STATUS_PLANNING, log=PLANNED)
        if self.hold_plans:
            return None
        stack = run.name.split("/")[3]
        if stack == "broken":
            run.error.CopyFrom(runs_pb2.RunError(reason="PLAN_FAILED", message="Terraform could not plan."))
            run.error.terraform_errors.add(summary="Missing name", path="main.tf", line=3)
            return self._become(run, runs_pb2.RUN_STATUS_FAILED, runs_pb2.RUN_OUTCOME_FAILED)
        run.plan_number, run.plan_digest = 1, "digest-1"
        if stack == "pure" or run.type in {runs_pb2.RUN_TYPE_PLAN_ONLY, runs_pb2.RUN_TYPE_AUDIT}:
            return self._become(run, runs_pb2.RUN_STATUS_PLANNED_AND_FINISHED, runs_pb2.RUN_OUTCOME_SUCCEEDED)
        run.plan_summary.add = 1
        if stack == "auto" or run.auto_apply:
            return self._apply(run)
        run.waiting_on.approvals.add(count=1, groups=["ops"], policy=f"{ACCOUNT}/policies/two-eyes")
        return self._become(run, runs_pb2.RUN_STATUS_AWAITING_APPROVAL)

    def _apply(self, run: runs_pb2.Run) -> None:
        run.ClearField("waiting_on")
        self._become(run, runs_pb2.RUN_STATUS_APPLYING, log=APPLIED)
        if self.rounds:
            self.rounds -= 1
            run.left_units.add(unit="module.b", cause=runs_pb2.LEFT_CAUSE_DEFERRED, detail="can only be planned now.")
            run.left_count = 2
            self._become(run, runs_pb2.RUN_STATUS_PARTIALLY_APPLIED)
            run.plan_number, run.plan_digest = 2, "digest-2"
            run.waiting_on.approvals.add(count=1)
            self._become(run, runs_pb2.RUN_STATUS_AWAITING_APPROVAL)
            return
        run.ClearField("left_units")
        run.left_count = 0
        self._become(run, runs_pb2.RUN_STATUS_APPLIED, runs_pb2.RUN_OUTCOME_SUCCEEDED)

    def get_run(self, request: Any, context: grpc.ServicerContext) -> Any:
        return runs_service_pb2.GetRunResponse(run=self._run(request.name))

    def list_runs(self, request: Any, context: grpc.ServicerContext) -> Any:
        wanted = "" if request.parent.endswith("/-") else f"{request.parent}/"
        found = [run for name, run in sorted(self.runs.items(), reverse=True) if name.startswith(wanted)]
        begin = int(request.page_token or 0)
        end = begin + (request.page_size or self.page_size)
        token = str(end) if end < len(found) else ""
        return runs_service_pb2.ListRunsResponse(runs=found[begin:end], next_page_token=token)

    def wait_run(self, request: Any, context: grpc.ServicerContext) -> Any:
        run = self._run(request.name)
        with self.changed:
            seconds = request.timeout.ToTimedelta().total_seconds()
            self.changed.wait_for(
                lambda: reached(run, request.until) or (request.etag and run.etag != request.etag), timeout=seconds
            )
            return runs_service_pb2.WaitRunResponse(run=run, reached=reached(run, request.until))

    def approve_run(self, request: Any, context: grpc.ServicerContext) -> Any:
        run = self._run(request.name)
        if run.status != runs_pb2.RUN_STATUS_AWAITING_APPROVAL:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "NOT_WAITING", "The run is not waiting.")
        if run.plan_digest != request.plan_digest:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "PLAN_CHANGED", "That is not the current plan.")
        run.approvals.add(member=f"{ACCOUNT}/members/dev", approved=True, comment=request.comment, valid=True)
        self._become(run, runs_pb2.RUN_STATUS_APPLY_QUEUED)
        response = runs_service_pb2.ApproveRunResponse(run=run)
        threading.Thread(target=self._apply, args=(run,), daemon=True).start()
        return response

    def reject_run(self, request: Any, context: grpc.ServicerContext) -> Any:
        run = self._run(request.name)
        run.approvals.add(member=f"{ACCOUNT}/members/dev", approved=False, comment=request.comment)
        self._become(run, runs_pb2.RUN_STATUS_REJECTED, runs_pb2.RUN_OUTCOME_DENIED)
        return runs_service_pb2.RejectRunResponse(run=run)

    def cancel_run(self, request: Any, context: grpc.ServicerContext) -> Any:
        run = self._run(request.name)
        self._become(run, runs_pb2.RUN_STATUS_CANCELED, runs_pb2.RUN_OUTCOME_CANCELED)
        return runs_service_pb2.CancelRunResponse(run=run)

    def get_plan(self, request: Any, context: grpc.ServicerContext) -> Any:
        run = self._run(request.name.removesuffix("/plan"))
        if not run.plan_number:
            raise Refused(grpc.StatusCode.NOT_FOUND, "PLAN_NOT_READY", "There is no plan yet.")
        plan = runs_pb2.Plan(name=request.name, number=1, digest=run.plan_digest, summary=run.plan_summary)
        plan.output_changes.add(output="greeting", action="create", after_json='"hello"')
        if run.type == runs_pb2.RUN_TYPE_AUDIT:
            plan.audit.CopyFrom(runs_pb2.Audit(result=runs_pb2.AUDIT_RESULT_UNSOUND, audited_units=3))
            plan.audit.findings.add(
                unit="module.app",
                address="module.app.t.x",
                verdict=runs_pb2.AUDIT_VERDICT_UNSOUND,
                detail="it would update",
            )
        return runs_service_pb2.GetPlanResponse(plan=plan)

    def list_resource_changes(self, request: Any, context: grpc.ServicerContext) -> Any:
        response = runs_service_pb2.ListResourceChangesResponse(plan_digest="digest-1")
        change = response.resource_changes.add(address="random_pet.name", type="random_pet", actions=["create"])
        change.attributes.add(path="id", after_unknown=True)
        change.attributes.add(path="length", after_json="2")
        change.attributes.add(path="key", after_json='"(sensitive)"', sensitive=True)
        return response

    def get_execution_graph(self, request: Any, context: grpc.ServicerContext) -> Any:
        stack, _, run_id = request.name.removesuffix("/graph").partition("/runs/")
        self._stack(stack)
        planned = [name for name, run in self.runs.items() if name.startswith(f"{stack}/runs/") and run.plan_number]
        if run_id == "latest" and not planned:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "PLAN_NOT_READY", "No run has a plan yet.")
        run = self._run(planned[-1] if run_id == "latest" else f"{stack}/runs/{run_id}")
        graph = runs_pb2.ExecutionGraph()
        graph.CopyFrom(self.graph)
        graph.name, graph.run, graph.run_status = f"{run.name}/graph", run.name, run.status
        svg = '<svg xmlns="http://www.w3.org/2000/svg"/>' if request.draw else ""
        return runs_service_pb2.GetExecutionGraphResponse(graph=graph, svg=svg)

    def list_run_steps(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._run(request.parent)
        return runs_service_pb2.ListRunStepsResponse(run_steps=self.steps)

    def tail_run_logs(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        run = self._run(request.name)
        offset, sent = request.offset, 0
        cut = self.cut_logs_after.pop(0) if self.cut_logs_after else None
        while True:
            with self.changed:
                self.changed.wait_for(partial(self._has_news, run, offset, request.no_follow), 15)
                # Whole characters only, as the server has it; small pieces, so that much is resumed.
                text = bytes(self.logs[run.name][offset : offset + 16]).decode(errors="ignore")
                over = not text and (run.done or request.no_follow)
            if cut is not None and sent >= cut:
                raise Refused(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", "The server is stopping.")
            if over:
                end = runs_service_pb2.LogEnd(status=status_pb2.Status(), run=run)
                yield runs_service_pb2.TailRunLogsResponse(next_offset=offset, end=end)
                return
            sent += 1
            begin, offset = offset, offset + len(text.encode())
            if not text:
                yield runs_service_pb2.TailRunLogsResponse(next_offset=offset, heartbeat=events_service_pb2.Heartbeat())
                continue
            chunk = runs_pb2.LogChunk(offset=begin, text=text)
            yield runs_service_pb2.TailRunLogsResponse(next_offset=offset, chunk=chunk)

    def _has_news(self, run: runs_pb2.Run, offset: int, no_follow: bool) -> bool:
        return len(self.logs[run.name]) > offset or run.done or no_follow

    # Stacks and states

    def get_stack_state(self, request: Any, context: grpc.ServicerContext) -> Any:
        return stacks_service_pb2.GetStackStateResponse(stack_state=self._stack(request.name))

    def list_stack_states(self, request: Any, context: grpc.ServicerContext) -> Any:
        return stacks_service_pb2.ListStackStatesResponse(stack_states=self.stacks.values())

    def create_stack_state(self, request: Any, context: grpc.ServicerContext) -> Any:
        name = f"{request.parent}/stackStates/{request.stack_state_id}"
        if name in self.stacks:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS", f"{name} exists.")
        stack = stacks_pb2.StackState(name=name, status=stacks_pb2.STACK_STATE_STATUS_PENDING)
        stack.MergeFrom(request.stack_state)
        self.stacks[name] = stack
        return stacks_service_pb2.CreateStackStateResponse(stack_state=stack)

    def update_stack_state(self, request: Any, context: grpc.ServicerContext) -> Any:
        stack = self._stack(request.stack_state.name)
        request.update_mask.MergeMessage(request.stack_state, stack, True, True)
        return stacks_service_pb2.UpdateStackStateResponse(stack_state=stack)

    def destroy_stack_state(self, request: Any, context: grpc.ServicerContext) -> Any:
        asked = runs_pb2.Run(type=runs_pb2.RUN_TYPE_DESTROY, message=request.message)
        run = self._new_run(self._stack(request.name).name, asked)
        return stacks_service_pb2.DestroyStackStateResponse(run=run)

    def delete_stack_state(self, request: Any, context: grpc.ServicerContext) -> Any:
        stack = self._stack(request.name)
        if stack.status == stacks_pb2.STACK_STATE_STATUS_ACTIVE and not request.force:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "STATE_NOT_EMPTY", "It still holds resources.")
        stack.status = stacks_pb2.STACK_STATE_STATUS_DELETED
        return stacks_service_pb2.DeleteStackStateResponse(stack_state=stack)

    def list_stack_codes(self, request: Any, context: grpc.ServicerContext) -> Any:
        code = stacks_pb2.StackCode(name=CODE, ref="main", status=stacks_pb2.STACK_CODE_STATUS_ACTIVE)
        return stacks_service_pb2.ListStackCodesResponse(stack_codes=[code])

    def get_stack_code(self, request: Any, context: grpc.ServicerContext) -> Any:
        return stacks_service_pb2.GetStackCodeResponse(stack_code=stacks_pb2.StackCode(name=CODE, ref="main"))

    def sync_stack_code(self, request: Any, context: grpc.ServicerContext) -> Any:
        return stacks_service_pb2.SyncStackCodeResponse(stack_code=stacks_pb2.StackCode(name=CODE), changed=True)

    def list_outputs(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._stack(request.parent)
        secret = '"hunter2"' if request.include_sensitive else ""
        return states_service_pb2.ListOutputsResponse(
            outputs=[
                states_pb2.Output(name="greeting", json='"hello"'),
                states_pb2.Output(name="password", json=secret, sensitive=True),
            ],
            serial=3,
        )

    def list_state_versions(self, request: Any, context: grpc.ServicerContext) -> Any:
        versions = [states_pb2.StateVersion(name=f"{request.parent}/stateVersions/{n}", serial=n) for n in (3, 2)]
        return states_service_pb2.ListStateVersionsResponse(state_versions=versions)

    def export_state_version(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield states_service_pb2.ExportStateVersionResponse(state_version=states_pb2.StateVersion(serial=3))
        for begin in range(0, len(STATE), 262_144):
            yield states_service_pb2.ExportStateVersionResponse(chunk=STATE[begin : begin + 262_144])
        yield states_service_pb2.ExportStateVersionResponse(end=status_pb2.Status())

    def lock_state(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.lock = self.lock or states_pb2.StateLock(lock_id="lock-1", reason=request.reason)
        return states_service_pb2.LockStateResponse(lock=self.lock)

    def unlock_state(self, request: Any, context: grpc.ServicerContext) -> Any:
        if not request.force and (self.lock is None or self.lock.lock_id != request.lock_id):
            raise Refused(grpc.StatusCode.ABORTED, "LOCK_ID_MISMATCH", "That is not the id of the lock.")
        self.lock = None
        return states_service_pb2.UnlockStateResponse()

    # The rest

    def list_workers(self, request: Any, context: grpc.ServicerContext) -> Any:
        return worker_registry_pb2.ListWorkersResponse(workers=[self._worker()])

    def get_worker(self, request: Any, context: grpc.ServicerContext) -> Any:
        return worker_registry_pb2.GetWorkerResponse(worker=self._worker())

    def drain_worker(self, request: Any, context: grpc.ServicerContext) -> Any:
        worker = self._worker()
        worker.status = workers_pb2.WORKER_STATUS_DRAINING
        return worker_registry_pb2.DrainWorkerResponse(worker=worker)

    def _worker(self) -> workers_pb2.Worker:
        return workers_pb2.Worker(name=WORKER, host="box", status=workers_pb2.WORKER_STATUS_ACTIVE)

    def create_join_token(self, request: Any, context: grpc.ServicerContext) -> Any:
        return worker_registry_pb2.CreateJoinTokenResponse(join_token=request.join_token, join_file="join me\n")

    def create_api_key(self, request: Any, context: grpc.ServicerContext) -> Any:
        key = accounts_pb2.ApiKey(name=f"{ACCOUNT}/apiKeys/k-1", display_name=request.api_key.display_name)
        return accounts_service_pb2.CreateApiKeyResponse(api_key=key, secret="stk_new_secret")

    def list_api_keys(self, request: Any, context: grpc.ServicerContext) -> Any:
        return accounts_service_pb2.ListApiKeysResponse(api_keys=[accounts_pb2.ApiKey(name=f"{ACCOUNT}/apiKeys/k-1")])

    def revoke_api_key(self, request: Any, context: grpc.ServicerContext) -> Any:
        return accounts_service_pb2.RevokeApiKeyResponse()

    def list_members(self, request: Any, context: grpc.ServicerContext) -> Any:
        member = accounts_pb2.Member(name=f"{ACCOUNT}/members/dev", roles=["owner"])
        return accounts_service_pb2.ListMembersResponse(members=[member])

    def list_policies(self, request: Any, context: grpc.ServicerContext) -> Any:
        return policies_service_pb2.ListPoliciesResponse(policies=self.policies.values())

    def create_policy(self, request: Any, context: grpc.ServicerContext) -> Any:
        if "policy" not in request.policy.hcl:
            problem = {"policy.hcl": "line 1, column 1: a policy block is missing"}
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "POLICY_INVALID", "The policy has errors.", fields=problem)
        name = f"{ACCOUNT}/policies/two-eyes"
        self.policies[name] = policies_pb2.Policy(name=name, hcl=request.policy.hcl, revision=1)
        return policies_service_pb2.CreatePolicyResponse(policy=self.policies[name])

    def watch_events(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Three events from the token on, then a cut."""
        begin = int(request.resume_token or 0)
        for number in range(begin + 1, begin + 4):
            event = events_pb2.Event(name=f"{ACCOUNT}/events/{number}", sequence=number, type="run.created")
            yield events_service_pb2.WatchEventsResponse(resume_token=str(number), event=event)
        yield events_service_pb2.WatchEventsResponse(resume_token=str(begin + 3), end=status_pb2.Status())

    def _stack(self, name: str) -> stacks_pb2.StackState:
        if name not in self.stacks:
            raise Refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", f"There is no stack state {name!r}.", resource=name)
        return self.stacks[name]

    def _run(self, name: str) -> runs_pb2.Run:
        if name not in self.runs:
            raise Refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", f"There is no run {name!r}.", resource=name)
        return self.runs[name]


def reached(run: runs_pb2.Run, until: int) -> bool:
    waiting = run.status == runs_pb2.RUN_STATUS_AWAITING_APPROVAL
    there: dict[int, bool] = {
        runs_service_pb2.WAIT_UNTIL_PLANNED: bool(run.plan_number),
        runs_service_pb2.WAIT_UNTIL_WAITING: waiting,
        runs_service_pb2.WAIT_UNTIL_APPLYING: run.status == runs_pb2.RUN_STATUS_APPLYING,
    }
    return bool(run.done or there.get(until, False))
