"""The workflow that shows that a namespace works. A file of its own: the sandbox of workflows imports all that is beside it."""

from temporalio import workflow


@workflow.defn(name="StacklyProbe")
class ProbeWorkflow:
    """Does nothing, and ends."""

    @workflow.run
    async def run(self) -> None:
        return
