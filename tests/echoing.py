"""A workflow and an activity to run through the whole of it."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError


@activity.defn
async def echo(word: str) -> str:
    """Gives the word back; what begins with `fail` it throws."""
    if word.startswith("fail"):
        raise ApplicationError(word, word, non_retryable=True)
    return word


@workflow.defn(name="EchoWorkflow")
class EchoWorkflow:
    """Has a word said by an activity."""

    @workflow.run
    async def run(self, word: str) -> str:
        return await workflow.execute_activity(echo, word, start_to_close_timeout=timedelta(seconds=10))
