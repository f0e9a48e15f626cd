"""The runner's process: imports, waits for one task on standard input, carries it out, notes how it ended, is gone."""

import asyncio
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc.aio

from stackly.v1 import runs_pb2
from stackly.worker.v1 import runner_service_pb2 as messages
from stackly.worker.v1 import tasks_pb2
from stackly_engine import exact
from stackly_worker import wire
from stackly_worker.crash import crash_point
from stackly_worker.runner import report, requirement, salvage, terraform
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.batch_spec import BatchSpec
from stackly_worker.runner.clock import Clock, SystemClock
from stackly_worker.runner.control import RunnerPlane
from stackly_worker.runner.journal import write_new
from stackly_worker.runner.nursery import Greeting
from stackly_worker.runner.options import EngineOptions
from stackly_worker.runner.place import Place, write_atomically
from stackly_worker.runner.ports import LeaseLostError, Outcome, PlaneRefusedError, PlaneUnavailableError
from stackly_worker.runner.shelf import Shelf
from stackly_worker.runner.task import Task, TaskFormatError

OUTCOME = "outcome.json"  # {"outcome": "BATCH_OUTCOME_SUCCEEDED", "acknowledged": true}: the runner's last word
ALIVE = "alive"  # its time says when the runner was last seen to run, whether or not the control plane answers
OUTPUT = "runner.log"  # what the runner itself prints: nothing, unless it fails
LOG_BASE = "log-base"
_SIGN_EVERY = 2.0  # seconds
_RENEW_PAUSE = 0.5  # seconds between two long polls for wishes
_GRACE = 300.0
_MODES = {runs_pb2.RUN_TYPE_DESTROY: "destroy", runs_pb2.RUN_TYPE_AUDIT: "audit"}
_WORK_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def main(greeting: Greeting | None = None) -> int:
    """0: the batch's end was acknowledged, or no task came; 1: it was not, or the batch is another's now.

    With a greeting it connects while it waits for its task.
    """
    try:
        return asyncio.run(_live(greeting or Greeting()))
    except Exception:  # noqa: BLE001 - the last frame: nobody above could do more than read it in the runner's log
        traceback.print_exc()
        return 1


async def _live(greeting: Greeting) -> int:
    channel = _connecting(greeting.public_url, greeting.ca) if greeting.public_url else None
    line = await asyncio.to_thread(_first_line)
    if not line:
        return 0  # the agent went away before it had work
    try:
        task = Task.from_line(line)
    except TaskFormatError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _redirect(task.folder / OUTPUT)
    crash_point("runner.begin")
    if channel is None or (task.public_url, task.ca) != (greeting.public_url, greeting.ca):
        channel = _connecting(task.public_url, task.ca)
    return await _carry_out(task, channel)


def _connecting(public_url: str, ca: str) -> grpc.aio.Channel:
    channel = wire.open_channel(wire.address(public_url), ca.encode())
    channel.get_state(try_to_connect=True)
    return channel


def _first_line() -> bytes:
    with os.fdopen(0, "rb", closefd=False) as agent:
        return agent.readline()


async def _carry_out(task: Task, channel: grpc.aio.Channel) -> int:
    clock = SystemClock()
    signs = asyncio.create_task(_show_life(task.folder / ALIVE, clock))
    try:
        plane = await RunnerPlane.attach(channel, task.run_token, clock, task.ahead)
        _listen(plane)
        if task.recover:
            base = _recorded_base(task.folder, plane)
            await salvage.hand_in(plane, task.folder, _place(task, plane.spec), clock, base)
            return _noted(task, tasks_pb2.BATCH_OUTCOME_LOST, acknowledged=True)
        _record_base(task.folder, plane)
        return await _ended(task, plane)
    except LeaseLostError as error:
        sys.stderr.write(f"the batch is not ours: {error}\n")
        return _noted(task, tasks_pb2.BATCH_OUTCOME_GONE, acknowledged=False)
    finally:
        signs.cancel()
        await channel.close()


async def _show_life(sign: Path, clock: Clock) -> None:
    """For the agent: a process that stands still shows none."""
    while True:
        sign.touch(mode=0o600)  # noqa: ASYNC240 - a local inode; by a thread it would show no hung loop
        await clock.sleep(_SIGN_EVERY)


async def _ended(task: Task, plane: RunnerPlane) -> int:
    """Run the batch; whoever waits reads the outcome in its folder even when the control plane never heard it."""
    outcome = Outcome("failed")
    try:
        batch = _batch(task, plane)
    except (requirement.RequirementError, exact.FormatError, PlaneRefusedError) as error:
        outcome = Outcome("failed", reason=str(error))
        await plane.finish(outcome)
    else:
        try:
            applies = plane.spec.batch.phase == tasks_pb2.BATCH_PHASE_APPLY
            outcome = await (batch.apply() if applies else batch.plan())
        except (PlaneUnavailableError, PlaneRefusedError) as error:
            sys.stderr.write(f"the control plane was not told how the batch ended: {error}\n")
    return _noted(task, report.outcome_of(outcome, timed_out=plane.timed_out), acknowledged=plane.reported)


def _batch(task: Task, plane: RunnerPlane) -> Batch:
    spec = plane.spec
    return Batch(
        spec=_spec(task, spec),
        place=_place(task, spec),
        folder=task.folder,
        engine=requirement.choose(spec.engine, terraform.current(task.engines)),
        plane=plane,
        others=plane,
        mirrors=terraform.Mirrors(task.mirrors.folders, task.mirrors.direct),
        shelf=Shelf(task.work.parent / "initialized"),
    )


def _spec(task: Task, spec: messages.GetBatchSpecResponse) -> BatchSpec:
    variables = {name: exact.loads(text.encode()) for name, text in spec.variables.items()}
    ref = spec.batch
    sensitive = (text for name in spec.sensitive_variables for text in _texts(variables.get(name)))
    return BatchSpec(
        # batches that help one run share what is prepared for them
        plan_key=f"{ref.run_id}/{ref.plan_number}/{ref.batch.rstrip('0123456789') if ref.batch.startswith('h') else ref.batch}",
        root=spec.root_path or ".",
        source_digest=spec.commit,
        hash_key=spec.hash_key,
        mode=_MODES.get(spec.run_type, "apply"),
        variables=variables,
        secrets=(*sensitive, *task.secrets),
        environment=task.environment,
        grace=float(spec.stop_grace_seconds) or _GRACE,
        renew_every=_RENEW_PAUSE,
        units=spec.units,
        keeps=spec.run_type == runs_pb2.RUN_TYPE_APPLY,
        artifact=spec.artifact_sha256,
        options=EngineOptions.of(spec.unit_options),
        costs=tuple((one.resources, one.seconds) for one in spec.costs),
    )


def _texts(value: Any) -> list[str]:
    """Every text and number inside a sensitive value, as it would be printed."""
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def _place(task: Task, spec: messages.GetBatchSpecResponse) -> Place:
    if not _WORK_KEY.fullmatch(spec.work_key):
        raise PlaneRefusedError("the work key is no plain folder name")
    return Place(task.work / spec.work_key)


def _record_base(folder: Path, plane: RunnerPlane) -> None:
    write_new(folder / LOG_BASE, str(plane.log_base).encode())


def _recorded_base(folder: Path, plane: RunnerPlane) -> int:
    note = folder / LOG_BASE
    return int(note.read_text(encoding="utf-8")) if note.exists() else plane.spec.log_offset


def _noted(task: Task, outcome: tasks_pb2.BatchOutcome, *, acknowledged: bool) -> int:
    note = {"outcome": tasks_pb2.BatchOutcome.Name(outcome), "acknowledged": acknowledged, "epoch": task.epoch}
    write_atomically(task.folder / OUTCOME, json.dumps(note).encode())
    return 0 if acknowledged else 1


def _listen(plane: RunnerPlane) -> None:
    """SIGTERM and SIGINT are wishes: the first asks Terraform once, the second ends it. Terraform never hears them."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, plane.wishes.stop_now)
    # The agent's terminal may go; the runner stays.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _redirect(path: Path) -> None:
    """Output of this process to the batch's folder from here on; standard input is let go."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for number, source in ((0, nothing), (1, handle), (2, handle)):
        os.dup2(source, number)
    os.close(handle)
    os.close(nothing)
