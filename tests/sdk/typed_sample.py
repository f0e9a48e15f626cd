"""What a user writes, checked by the strictest settings of two type checkers. Never run."""

from stackly_sdk import ApprovalRequired, AsyncRun, AsyncStackly, Run, RunFailed, Secret, Stackly, StacklyError
from stackly_sdk.errors import PlanChanged, StackLocked


def deploy(commit: str) -> str:
    with Stackly() as s:
        stack = s.stacks.get("network-prod")
        run: Run = stack.deploy(commit=commit, message="bump", variables={"size": 3, "key": Secret("x")})
        for line in run.logs():
            print(line.upper())
        try:
            run = run.wait(until="planned", timeout="30m")
            run.approve(comment="lgtm", plan_digest=run.plan.digest)
        except (ApprovalRequired, RunFailed) as error:
            print(error.run.name, error.hint)
        except (StackLocked, PlanChanged) as error:
            print(error.metadata["holder"], error.retry_after)
        except StacklyError as error:
            print(error.reason, error.request_id)
        for each in s.runs.list(stack="-").limit(20):
            print(each.name, each.error.message if each.error else "", each.status.name)
        first = s.runs.list().first()
        outputs = run.wait().outputs
        return f"{outputs['vpc_id']} {first.id if first else ''} {run.raw.created_at}"


async def deploy_async(commit: str) -> list[str]:
    async with AsyncStackly(endpoint="https://stackly.example", api_key="stk_…") as s:
        stack = await s.stacks.get("network-prod")
        run: AsyncRun = await stack.deploy(commit=commit)
        lines = [line async for line in run.logs()]
        run = await run.wait("done", 60)
        plan = await run.plan
        counts = plan.summary.add if plan.summary else 0
        workers = [worker.host async for worker in s.workers.list()]
        async for event in s.events.watch(kind="run"):
            print(event.type, event.facts.get("status", ""))
            break
        return [*lines, *workers, str(counts), str((await run.outputs).get("vpc_id"))]
