"""The command line as a process of its own, against a fake server: what it prints, and how it ends."""

import io
import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from fakes.authority import Authority
from fakes.stackly_api import API_KEY, Refused
from fakes.stackly_world import APPLIED, PLANNED, STATE, FakeStackly

COMMAND = (sys.executable, "-m", "stackly_sdk.cli")
_HEARS = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
"""A shell starts what is in its background with Ctrl-C ignored, and that is inherited: by the tests, and by their children."""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    """`cli("stacks", "list")` runs a command with no more than a home and the server's address."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, text: str | None = None, **environment: str) -> Done:
        done = subprocess.run(
            [*COMMAND, *arguments],
            env={**self.environment, **environment},
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def bare(home: Path) -> Cli:
    return Cli({"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8"})


@pytest.fixture
def cli(api: FakeStackly, bare: Cli) -> Cli:
    return Cli({**bare.environment, "STACKLY_ENDPOINT": api.url, "STACKLY_API_KEY": API_KEY})


@pytest.fixture
def here(api: FakeStackly, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a command in this process, which is quicker, where what it prints is the point."""
    from stackly_sdk.cli.program import run

    monkeypatch.setenv("STACKLY_ENDPOINT", api.url)
    monkeypatch.setenv("STACKLY_API_KEY", API_KEY)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return lambda *arguments: run([*arguments])


# Login


def test_login_keeps_a_private_profile_and_shows_no_key(api: FakeStackly, bare: Cli, home: Path) -> None:
    done = bare("login", "--endpoint", api.url, text=f"{API_KEY}\n")
    assert (done.code, API_KEY in done.out + done.err) == (0, False)
    kept = home / ".config/stackly/config.toml"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "accounts/dev/members/dev" in bare("whoami").out


def test_login_reads_a_key_file_and_makes_a_named_profile(api: FakeStackly, bare: Cli, home: Path) -> None:
    (home / "key").write_text(API_KEY)
    assert bare("--profile", "ci", "login", "--endpoint", api.url, "--api-key-file", str(home / "key")).code == 0
    assert bare("whoami", "--json", STACKLY_PROFILE="ci").json["account"] == "accounts/dev"
    assert bare("--profile", "other", "whoami").code == 1


def test_login_with_a_bad_key_keeps_nothing(api: FakeStackly, bare: Cli, home: Path) -> None:
    done = bare("login", "--endpoint", api.url, text="stk_wrong_key")
    assert done.code == 1
    assert "does not take this API key" in done.err
    assert not (home / ".config/stackly/config.toml").exists()


def test_a_key_is_never_an_argument(api: FakeStackly, bare: Cli) -> None:
    assert bare("login", "--endpoint", api.url, "--api-key", API_KEY).code == 2


def test_without_login_it_says_what_to_do(bare: Cli) -> None:
    done = bare("stacks", "list")
    assert done.code == 1
    assert "stackly login" in done.err


def test_calls_are_told_without_what_they_carry(cli: Cli) -> None:
    told = cli("whoami", STACKLY_DEBUG="rpc").err
    assert "/stackly.v1.AuthService/WhoAmI OK" in told
    assert "request_id=" in told
    assert API_KEY not in told
    assert "access-" not in told


# The main path


def test_the_main_path_by_exit_codes(cli: Cli) -> None:
    listed = cli("stacks", "list")
    assert listed.out.splitlines()[0].split("\t")[:2] == ["STACK", "STATUS"]
    assert "hello\tactive" in listed.out
    created = cli("runs", "create", "hello", "--follow", "-m", "bump", "--var", "size=3", "--var", "name=x")
    assert created.code == 4
    assert "Plan: 1 to add." in created.out
    assert "awaiting approval (1 more approval of group ops by policy two-eyes)" in created.out
    assert "stackly runs approve hello/run-1" in created.err
    assert cli("runs", "wait", "hello/1").code == 4
    assert cli("runs", "approve", "hello/1").code == 2  # nobody to ask
    approved = cli("runs", "approve", "hello/1", "--yes", "--follow", "--comment", "lgtm")
    assert approved.code == 0
    assert "+ random_pet" in approved.out
    assert "grüß dich\nApply complete!" in approved.out
    assert "Terraform will perform" not in approved.out  # that was shown before
    assert cli("runs", "wait", "hello/1").code == 0
    assert cli("outputs", "hello", "greeting").out == "hello\n"


def test_a_run_in_rounds_is_approved_in_each(api: FakeStackly, cli: Cli) -> None:
    api.rounds = 1
    cli("runs", "create", "hello")
    assert cli("runs", "wait", "hello/1", "--until", "waiting", "--timeout", "10s").code == 0
    first = cli("runs", "approve", "hello/1", "--yes", "--follow")
    assert first.code == 4
    assert "to be planned again: module.b can only be planned now." in first.out
    assert "and 1 more" in first.out
    assert "left: module.b can only be planned now." in cli("runs", "show", "hello/1").out
    assert cli("runs", "approve", "hello/1", "--yes", "--follow").code == 0
    assert "left" not in cli("runs", "show", "hello/1").out


def test_variables_are_json_or_text_and_secrets_come_from_files(api: FakeStackly, cli: Cli, home: Path) -> None:
    (home / "secret").write_text("s3cret\n")
    (home / "vars.json").write_text('{"zones": ["a", "b"], "size": 1}')
    done = cli(
        "run", "pure", "--var", "size=3", "--var", "name=a b",
        "--var-file", str(home / "vars.json"), "--secret", f"key={home / 'secret'}",
    )  # fmt: skip
    assert done.code == 0
    sent = api.requests("CreateRun")[0].run.variables
    assert {name: value.json for name, value in sent.items()} == {
        "size": "3", "name": '"a b"', "zones": '["a", "b"]', "key": '"s3cret"',
    }  # fmt: skip
    assert [name for name, value in sent.items() if value.sensitive] == ["key"]


def test_failed_and_denied_runs_have_their_exit_codes(cli: Cli) -> None:
    failed = cli("runs", "create", "broken", "--follow")
    assert failed.code == 3
    assert "main.tf:3: Missing name" in failed.err
    cli("runs", "create", "hello")
    assert cli("runs", "wait", "hello/1", "--until", "waiting", "--timeout", "10s").code == 0
    assert cli("runs", "reject", "hello/1", "--comment", "no").code == 0
    denied = cli("runs", "wait", "hello/1")
    assert denied.code == 5
    assert "rejected by dev: no" in denied.err


def test_a_refused_permission_is_denied(api: FakeStackly, cli: Cli) -> None:
    fault = Refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", "You may not.", permission="runs.create")
    api.faults["CreateRun"].append(fault)
    done = cli("run", "hello")
    assert done.code == 5
    assert "You may not. [PERMISSION_DENIED]\n  permission: runs.create" in done.err


def test_json_is_that_of_the_rest_face(cli: Cli) -> None:
    run = cli("run", "pure", "--follow", "--json")
    assert run.code == 0
    assert (run.json["status"], run.json["planDigest"]) == ("RUN_STATUS_PLANNED_AND_FINISHED", "digest-1")
    assert run.json["createdAt"] == "2026-11-24T00:00:00Z"
    assert cli("runs", "show", "pure/1", "--json").json == run.json
    assert [each["name"] for each in cli("runs", "list", "--json").json] == [run.json["name"]]
    plan = cli("plan", "show", "pure/1", "--json").json
    assert plan["plan"]["digest"] == "digest-1"
    assert plan["resourceChanges"][0]["attributes"][0]["afterUnknown"]
    assert cli("outputs", "hello", "--json").json["password"] == {"value": None, "sensitive": True}


COMMANDS = [
    ("whoami",),
    ("stacks", "list"),
    ("stacks", "show", "hello"),
    ("stacks", "create", "new", "--code", "hello-1a2b", "--label", "a=b"),
    ("stacks", "update", "hello", "--auto-deploy"),
    ("stacks", "destroy", "hello", "--yes"),
    ("stacks", "delete", "hello", "--force", "--yes"),
    ("codes", "list"),
    ("codes", "show", "hello-1a2b"),
    ("codes", "sync", "hello-1a2b"),
    ("runs", "list"),
    ("runs", "show", "pure/1"),
    ("runs", "wait", "pure/1"),
    ("runs", "cancel", "pure/1"),
    ("runs", "steps", "pure/1"),
    ("runs", "graph", "pure/1"),
    ("plan", "show", "pure/1"),
    ("graph", "pure"),
    ("graph", "pure/1"),
    ("outputs", "hello"),
    ("state", "list", "hello"),
    ("state", "lock", "hello", "--ttl", "2h"),
    ("workers", "list"),
    ("workers", "show", "w-1"),
    ("workers", "drain", "w-1"),
    ("workers", "token"),
    ("keys", "list"),
    ("keys", "create", "--name", "ci"),
    ("keys", "revoke", "k-1"),
    ("members", "list"),
    ("policies", "list"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_speaks_to_people_and_to_programs(
    api: FakeStackly, here: Callable[..., int], capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    here("run", "pure", "--follow")
    here("policies", "create", __file__)
    capsys.readouterr()
    assert here(*command) == 0
    assert capsys.readouterr().out
    if command[:2] == ("stacks", "create"):
        del api.stacks["accounts/dev/stackStates/new"]
    assert here(*command, "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict | list)


def test_a_log_is_text_or_an_object_a_line(cli: Cli) -> None:
    cli("run", "auto", "--follow")
    lines = cli("runs", "logs", "auto/1").out.splitlines()
    assert lines == (PLANNED + APPLIED).decode().splitlines()
    assert [json.loads(line)["text"] for line in cli("runs", "logs", "auto/1", "--json").out.splitlines()] == lines


def test_events_are_followed_one_a_line(cli: Cli) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HEARS, *COMMAND, "events", "--follow", "--since", "0", "--json"],
        env=cli.environment, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        numbers = [json.loads(process.stdout.readline())["sequence"] for _ in range(5)]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert numbers == ["1", "2", "3", "4", "5"]


# State


def test_state_is_exported_whole_into_a_private_file(cli: Cli, home: Path) -> None:
    out = home / "hello.tfstate"
    assert cli("state", "export", "hello", "-o", str(out)).code == 0
    assert out.read_bytes() == STATE
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert cli("state", "export", "hello").out.encode() == STATE


def test_the_lock_is_given_back_by_its_id(cli: Cli) -> None:
    assert "stackly state unlock hello lock-1" in cli("state", "lock", "hello").out
    refused = cli("state", "unlock", "hello", "other")
    assert refused.code == 1
    assert "LOCK_ID_MISMATCH" in refused.err
    assert cli("state", "unlock", "hello", "lock-1").code == 0


# Policies


def test_a_policy_with_errors_is_told_by_line(cli: Cli) -> None:
    done = cli("policies", "create", "-", text="nonsense")
    assert done.code == 1
    assert "line 1, column 1: a policy block is missing" in done.err
    assert cli("policies", "create", "-", text='policy "two-eyes" {}').code == 0


# Mistakes


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("stack",), "Did you mean 'stacks'?"),
        (("runs", "show", "nothing"), "STACK/run-NUMBER"),
        (("runs", "create", "hello", "--var", "x"), "NAME=VALUE"),
        (("runs", "create", "hello", "--plan-only", "--auto-apply"), "exclude each other"),
        (("runs", "wait", "hello/1", "--timeout", "soon"), "no length of time"),
        (("stacks", "destroy", "hello"), "--yes"),
        (("stacks", "create", "x"), "--code"),
    ],
)
def test_mistakes_are_usage_errors(
    here: Callable[..., int], capsys: pytest.CaptureFixture[str], command: tuple[str, ...], said: str
) -> None:
    here("run", "hello")
    assert here(*command) == 2
    assert said in capsys.readouterr().err


def test_what_is_not_there_and_a_server_that_is_down_are_told(api: FakeStackly, cli: Cli) -> None:
    missing = cli("stacks", "show", "nope")
    assert (missing.code, "There is no stack state" in missing.err) == (1, True)
    api.stop()
    down = cli("--timeout", "1", "whoami")
    assert (down.code, "Is the server up" in down.err and "does not answer" in down.err) == (1, True)


def test_control_characters_of_others_do_not_reach_the_terminal(api: FakeStackly, cli: Cli) -> None:
    api.stacks["accounts/dev/stackStates/hello"].labels["a"] = "x\x1b]0;title\x07\x1b[2Jy"
    done = cli("stacks", "show", "hello")
    assert "\x1b" not in done.out
    assert "\x07" not in done.out


# A terminal


def terminal(cli: Cli, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """A command at a pseudo-terminal, and the terminal's other end."""
    master, slave = pty.openpty()
    argv = [sys.executable, "-c", _HEARS, *COMMAND, *arguments]
    process = subprocess.Popen(argv, env={**cli.environment, "TERM": "xterm"}, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    return process, master


def read_until(master: int, words: bytes, seconds: float = 20.0) -> bytes:
    seen, deadline = b"", time.monotonic() + seconds
    while words not in seen and select.select([master], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            seen += os.read(master, 4096)
        except OSError:
            break
    assert words in seen, seen.decode(errors="replace")
    return seen


def test_an_approval_is_asked_for_with_the_plan_in_view(api: FakeStackly, cli: Cli) -> None:
    cli("runs", "create", "hello", "--follow")
    process, master = terminal(cli, "runs", "approve", "hello/1")
    seen = read_until(master, b"[y/N]")
    assert b"\x1b[32m      + length" in seen
    os.write(master, b"n\n")
    assert process.wait(20) == 130
    assert api.requests("ApproveRun") == []
    os.close(master)
    process, master = terminal(cli, "runs", "approve", "hello/1")
    read_until(master, b"[y/N]")
    os.write(master, b"y\n")
    read_until(master, b"Approved hello/run-1")
    assert process.wait(20) == 0
    os.close(master)


def test_ctrl_c_detaches_from_a_run_and_says_how_to_come_back(api: FakeStackly, cli: Cli) -> None:
    api.hold_plans = True
    process, master = terminal(cli, "runs", "create", "hello", "--follow")
    read_until(master, b"planning")
    process.send_signal(signal.SIGINT)
    read_until(master, b"Come back: stackly runs logs hello/run-1 -f")
    assert process.wait(20) == 130
    assert api.requests("CancelRun") == []
    os.close(master)


def test_a_server_that_is_not_trusted_is_told_at_once_and_what_to_do(bare: Cli, home: Path) -> None:
    authority = Authority.make()
    chain, key = authority.server()
    fake = FakeStackly()
    fake.start(grpc.ssl_server_credentials([(key, chain)]))
    address = f"https://127.0.0.1:{fake.port}"
    (home / "ca.pem").write_text(authority.pem)
    (home / "key").write_text(API_KEY)
    login = ("login", "--endpoint", address, "--api-key-file", str(home / "key"))
    began = time.monotonic()
    refused = bare(*login)
    assert (refused.code, "give its CA with STACKLY_CA_FILE" in refused.err) == (1, True)
    assert time.monotonic() - began < 5
    assert bare(*login, "--ca-file", str(home / "ca.pem")).code == 0
    assert bare("whoami").code == 0
    fake.stop()
