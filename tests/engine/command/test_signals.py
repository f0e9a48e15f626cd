"""Signals and deaths: what is said, what is left; a Ctrl-C while Terraform applies is in test_command."""

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.command.asking import CHAIN, MODULE, Asked, asked
from stackly_engine.command.inspection import Options
from stackly_engine.command.running import session
from stackly_engine.command.tool import Processes, find
from stackly_engine.driving.carrying import Apply
from stackly_engine.driving.ports import Hands, Job, Outcome, Planned
from stackly_engine.exports import Recorded
from stackly_engine.records import Record

# Terraform, but for a plan: that one takes its time, and ends as Terraform does when it is interrupted.
_SLOW_PLAN = """#!/bin/sh
for argument in "$@"; do
  if [ "$argument" = plan ]; then
    trap 'kill $!; exit 1' INT
    sleep 60 &
    echo $$ > "$(dirname "$0")/planning"
    wait
  fi
done
exec terraform "$@"
"""
_SLOW_APPLY = """
resource "terraform_data" "one" {
  provisioner "local-exec" { command = "touch ${abspath(path.root)}/../begun; sleep 2" }
}
"""


@pytest.fixture
def engine(tmp_path: Path) -> Asked:
    return asked(tmp_path / "root", {"main.tf": CHAIN, "m/main.tf": MODULE})


@pytest.fixture
def planning(engine: Asked, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A plan that has begun and will not end by itself."""
    tool = tmp_path / "bin" / "slow"
    tool.parent.mkdir()
    tool.write_text(_SLOW_PLAN)
    tool.chmod(0o755)
    argv = engine.argv("plan", "--tool", str(tool))
    with subprocess.Popen(argv, env=engine.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _until((tmp_path / "bin" / "planning").exists)
        yield process
        process.kill()


def _until(met: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_plan_that_is_stopped_leaves_nothing(
    engine: Asked, planning: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    planning.send_signal(number)
    output, errors = planning.communicate(timeout=60)
    assert planning.returncode == 128 + number
    assert not output
    assert errors == (
        "stackly-engine: stopping: Terraform finishes what it has begun, its state is kept\n"
        "stackly-engine: stopped; nothing more was begun\n"
    )
    assert sorted(entry.name for entry in engine.folder.parent.iterdir()) == ["bin", "root"]
    assert not any(entry.is_dir() for entry in engine.store.parent.iterdir())


def test_a_plan_that_is_killed_is_cleared_away_by_the_next(
    engine: Asked, planning: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    planning.kill()
    planning.wait()
    os.killpg(int((tmp_path / "bin" / "planning").read_text()), signal.SIGKILL)
    assert [entry for entry in tmp_path.iterdir() if entry.name.startswith(".stackly")]
    engine("plan")  # which looks that nothing is beside the root
    assert not any(entry.is_dir() for entry in engine.store.parent.iterdir())


def test_ctrl_c_at_the_question(engine: Asked) -> None:
    here, there = pty.openpty()
    with subprocess.Popen(
        engine.argv("apply"), env=engine.env(), stdin=there, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        seen = b""
        while b"Apply this plan?" not in seen:
            seen += os.read(process.stdout.fileno(), 4096)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    os.close(here)
    os.close(there)
    assert process.returncode == 130
    assert not engine.state.exists()
    assert [entry.name for entry in engine.folder.parent.iterdir()] == ["root"]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_killed_apply_is_taken_into_the_workspace_that_it_was_for(engine: Asked, *, damaged: bool) -> None:
    """Whatever workspace is chosen by then, and with the memory gone."""
    engine.root.write({"main.tf": 'module "s" {\n  source = "./s"\n}\n', "s/main.tf": _SLOW_APPLY})
    environment = engine.env(TF_WORKSPACE="blue")
    with subprocess.Popen(engine.argv("apply", "--yes"), env=environment, stdout=subprocess.DEVNULL) as process:
        _until((engine.folder.parent / "begun").exists)
        process.kill()
    _until(lambda: not any(map(_names(engine.folder.parent), Path("/proc").glob("[0-9]*/cmdline"))))
    if damaged:
        for path in engine.store.parent.glob("engine.db*"):
            path.write_bytes(b"garbage" * 1000)
    engine("plan")
    assert engine.runs(env={"TF_WORKSPACE": "blue"}) == {"module.s", "outputs"}  # its records went before it began
    assert "0 to add" in engine("plan", env={"TF_WORKSPACE": "blue"}).stdout
    assert not engine.state.exists()


def _names(folder: Path) -> Callable[[Path], bool]:
    def named(cmdline: Path) -> bool:
        try:
            return f"-chdir={folder}/".encode() in cmdline.read_bytes()
        except OSError:
            return False

    return named


class Breaking:
    """Hands that lose their grip when one unit is applied, after all others were."""

    def __init__(self, hands: Hands, unit: str, others: Callable[[], bool]) -> None:
        self.hands, self.unit, self.others = hands, unit, others

    @property
    def stopping(self) -> bool:
        return self.hands.stopping

    def plan(self, job: Job) -> Planned:
        return self.hands.plan(job)

    def apply(self, planned: Planned, width: int) -> Outcome:
        if self.unit in planned.job.units:
            raise OSError("no space left")
        outcome = self.hands.apply(planned, width)
        _until(self.others)
        return outcome

    def keep(self, document: Mapping[str, Any]) -> None:
        self.hands.keep(document)

    def learn(self, records: Mapping[str, Record], exports: Recorded) -> None:
        self.hands.learn(records, exports)

    def discard(self, planned: Planned) -> None:
        self.hands.discard(planned)


def test_what_goes_wrong_beside_a_batch_does_not_lose_what_that_made(engine: Asked) -> None:
    with session(engine.folder, find(), Processes(), outer=engine.env()) as one:
        known, chain = one.plan(Options(apart=True))
        work = Apply(known, chain, lambda _: None)
        known.hands = Breaking(known.hands, "module.c", lambda: len(work.running) < 2)
        with pytest.raises(OSError, match="no space left"):
            work.run()
        chain.close(known.hands, work.begun)
    assert "module.a.terraform_data.x" in engine.root.run("state", "list")
    engine("apply", "--yes")
    assert engine.in_sync()
