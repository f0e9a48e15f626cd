"""Worker certificates of 30 seconds: an apply outlives several, and no call of agent or runner fails for it."""

import datetime as dt
import json
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from flows.job import Job
from flows.ledger import resources
from flows.platform import Platform, started
from waiting import until

pytestmark = pytest.mark.flows

LIFE_SECONDS = 30
RENEWALS = 5  # each at half life: more than two whole lives
_TIME = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (\w+) (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
async def short_lived() -> AsyncIterator[Platform]:
    with tempfile.TemporaryDirectory(prefix="stackly-flow-", ignore_cleanup_errors=True) as folder:
        found = await started(Path(folder) / "home", STACKLY_CERTIFICATE_SECONDS=str(LIFE_SECONDS))
        yield found
        assert found.stop() == 0


async def test_an_apply_longer_than_two_certificates(short_lived: Platform, tmp_path: Path) -> None:
    async with short_lived.client() as owner:
        job = Job(short_lived, owner, await short_lived.repository(owner), tmp_path)
        ledger = job.ledger(steps=2 * RENEWALS, lanes=1, pause=0.3)  # seen one by one, however late the runner looks
        held = [ledger.hold(number) for number in range(0, ledger.steps, 2)]
        run = await job.confirmed(await job.pushed(ledger))
        await job.applying(run, ledger, 1)
        before, serials = renewals(short_lived), set()
        for count, marker in enumerate(held, 1):
            await renewed(short_lived, before + count)
            serials |= {worker.certificate_serial async for worker in owner.workers.list()}
            marker.unlink()  # two more resources end, and their state is written, under each certificate
        await job.applied(run)
        steps = [(step.name.rpartition("/")[2], step.status.name) async for step in run.steps() if not step.unit]
        state = await job.state(ledger.stack)
    assert steps == [("plan-1-b1", "SUCCEEDED"), ("apply-1-b1", "SUCCEEDED")]
    assert len(serials) == RENEWALS
    began, ended = (run.raw.status_times[name] for name in ("applying", "applied"))
    assert ended - began > dt.timedelta(seconds=2 * LIFE_SECONDS)
    ledger.each_once()
    assert resources(state) == ledger.addresses
    nothing_failed(short_lived)


async def renewed(platform: Platform, times: int) -> None:
    await until(lambda: renewals(platform) >= times, LIFE_SECONDS)


def renewals(platform: Platform) -> int:
    return platform.log("worker").count("the certificate was renewed")


def nothing_failed(platform: Platform) -> None:
    """AssertionError for any complaint of the agent, and any call of it or a runner that was refused."""
    assert not complaints(platform.log("worker"))
    calls = _calls(platform.log("serve"))
    assert not refused(calls)
    methods = Counter(call["method"].rpartition("/")[2] for call in calls if call["code"] == "OK")
    assert methods["WriteState"] >= RENEWALS, methods
    assert methods["RotateCertificate"] >= RENEWALS, methods
    assert methods["Heartbeat"] >= RENEWALS, methods


def complaints(log: str) -> list[str]:
    """What the agent said above the level of information."""
    return [line for _, level, line in _TIME.findall(log) if level != "INFO"]


def refused(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls of agents and runners that failed; one that its caller let go of did not."""
    theirs = [call for call in calls if call["kind"] in {"worker", "run"}]
    return [call for call in theirs if call["code"] not in {"OK", "CANCELLED"} and not _after_the_end(call)]


def _calls(log: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["logger"] == "stackly.calls"]


def _after_the_end(call: dict[str, Any]) -> bool:
    """A long poll of a runner whose batch it has just reported as ended."""
    return bool(call["method"].endswith("/RenewLease") and call["reason"] == "LEASE_LOST")
