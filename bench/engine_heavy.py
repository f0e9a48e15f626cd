"""Providers that take seconds to start: where batches must be few. The test provider always, the AWS provider where it is."""

import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bench.engine_report import REPORT
from bench.engine_roots import Provider, Root, Shape
from bench.engine_scenes import Figures, Scenes, in_turns
from bench.engine_sides import BenchError, Pair
from bench.figures import median, say

MIRROR, MOTO = "STACKLY_BENCH_MIRROR", "STACKLY_BENCH_MOTO"
_DELAY = 0.2
_PARALLELISM = 10  # of each Terraform, as it has it by itself: the whole root's, and each worker's
_REGIONS = ("eu-central-1", "eu-west-1", "us-east-1", "us-west-2")
_RESOURCES = 3
_CHANGED = range(3, 8)  # five modules of the chain, one after another


def test_provider(modules: int, start_seconds: float, rounds: int, scratch: Path) -> None:
    """`testcloud` with a start-up of some seconds, then with 200 ms for each operation."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from provider.cloud import Cloud
    from provider.serving import REQUIRED, installed, reattached

    slow = installed(scratch, Cloud(scratch / "slow.db"), start_seconds)
    say(f"the test provider with a start-up of {start_seconds:g} s")
    _heavy(Root(Shape.CHAIN, modules, _RESOURCES, _testcloud(REQUIRED, 0.0)), slow, rounds, scratch / "slow")
    with reattached(Cloud(scratch / "quick.db")) as env:
        say(f"the test provider, {_DELAY * 1000:.0f} ms each operation, from nothing")
        root = Root(Shape.FAN_OUT, 40, 5, _testcloud(REQUIRED, _DELAY))
        scenes = Scenes(root, scratch / "delay", Pair.at(scratch / "delay", (env, env)))
        one, two = (scenes.from_nothing(rounds, workers, _PARALLELISM) for workers in (1, 2))
        one.tell("one worker", least=1.0)
        two.tell("two workers", least=1.7)
        _expected(scenes)
        more = _wall(one) / _wall(two)
        say(f"  {root}, two workers beside one: {more:.2f}x")
        REPORT.add(f"{root}, two workers beside one", more, "x")


def aws(modules: int, rounds: int, scratch: Path) -> None:
    """The real AWS provider from a filesystem mirror, against moto."""
    mirror, moto = _mirror(), os.environ.get(MOTO) or shutil.which("moto_server")
    if mirror is None or moto is None:
        missing = (
            f"no filesystem mirror with hashicorp/aws ({MIRROR})" if mirror is None else f"no moto_server ({MOTO})"
        )
        REPORT.skip(missing)
        return
    config = scratch / "terraform.rc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n')
    with _moto(moto) as endpoint:
        say("the AWS provider against moto")
        _heavy(
            Root(Shape.CHAIN, modules, _RESOURCES, _aws(endpoint)),
            {"TF_CLI_CONFIG_FILE": str(config)},
            rounds,
            scratch / "aws",
        )


def _heavy(root: Root, env: Mapping[str, str], rounds: int, scratch: Path) -> None:
    scenes = Scenes(root, scratch / "root", Pair.at(scratch / "root", _apart(env, 0), shown=True))
    scenes.from_nothing(rounds).tell("from nothing", least=1 / 1.1)
    _expected(scenes)
    _no_operation(scenes, scratch / "processes")
    scenes.changed(rounds, *_CHANGED).tell("a chain of five changed", least=1 / 1.1)
    _expected(scenes)
    single = Scenes(replace(root, modules=1), scratch / "one", Pair.at(scratch / "one", _apart(env, 2), shown=True))
    single.made()
    _leaf(scenes, single, rounds).tell("one leaf, beside a root of one module", least=1 / 1.15)
    shows = scenes.pair.terraform.shows + single.pair.terraform.shows
    say(f"  (Terraform: plan, show -json, apply; of that show -json {median([one.wall for one in shows]):.3f} s)")
    scenes.check()


def _apart(env: Mapping[str, str], first: int) -> tuple[dict[str, str], dict[str, str]]:
    """A region for each side: topics of one name in one region are one topic, and each would find the other's changes."""
    return {**env, "AWS_REGION": _REGIONS[first]}, {**env, "AWS_REGION": _REGIONS[first + 1]}


def _no_operation(scenes: Scenes, ledger: Path) -> None:
    engine = replace(scenes.pair.engine, heard=ledger)
    engine.plan()
    engine.processes()
    seconds: list[float] = []
    begun: list[str] = []
    for turn in range(2):
        if turn == 0:
            scenes.write()
        seconds.append(engine.plan().wall)
        begun += engine.processes()
    said = REPORT.add(f"{scenes.root} nothing changed", len(begun), "processes", goal="none", met=not begun)
    say(
        f"  nothing changed: {seconds[0]:.3f} s read anew, {seconds[1]:.3f} s cached; processes that were started: "
        f"{', '.join(begun) or 'none'}{said}"
    )


def _leaf(scenes: Scenes, single: Scenes, rounds: int) -> Figures:
    """The leaf of the large root by the engine; beside it a root of one module by Terraform alone, as one would type it."""
    found = Figures(str(scenes.root))
    for _ in range(rounds):
        scenes.write(scenes.root.leaf)
        single.write(0)
        one = in_turns("", 1, single.pair.terraform.apply, scenes.pair.engine.apply)
        found.terraform += one.terraform
        found.engine += one.engine
    return found


def _wall(of: Figures) -> float:
    return median([one.wall for one in of.engine])


def _expected(scenes: Scenes) -> None:
    """The scheduler's estimate of the last run, in the command's own words."""
    lines = scenes.pair.engine.said[-1].splitlines()
    say(f"    {next((line for line in lines if line.startswith('expected')), 'no estimate was made')}")


def _testcloud(required: str, delay: float) -> Provider:
    return Provider(
        name="testcloud_thing",
        required=required,
        configuration='provider "testcloud" {}\n',
        first=f'resource "testcloud_thing" "first" {{\n  name  = var.name\n  refs  = var.from\n  delay = {delay}\n}}\n',
        other=(
            'resource "testcloud_thing" "r{n}" {\n  name  = "${var.name}-{n}"\n  size  = var.revision\n'
            f"  refs  = [testcloud_thing.first.id]\n  delay = {delay}\n}}\n"
        ),
        output="testcloud_thing.first.id",
    )


def _aws(endpoint: str) -> Provider:
    return Provider(
        name="aws_sns_topic",
        required='terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n',
        configuration=(
            'provider "aws" {\n  access_key = "bench"\n  secret_key = "bench"\n'
            "  skip_credentials_validation = true\n  skip_requesting_account_id = true\n  skip_metadata_api_check = true\n"
            f'  endpoints {{\n    sns = "{endpoint}"\n  }}\n}}\n'
        ),
        first=(
            'resource "aws_sns_topic" "first" {\n  name = var.name\n'
            '  tags = { from = join(" ", [for arn in var.from : reverse(split(":", arn))[0]]) }\n}\n'
        ),
        other=(
            'resource "aws_sns_topic" "r{n}" {\n  name         = "${var.name}-{n}"\n'
            '  display_name = "revision ${var.revision}"\n'
            '  tags         = { of = reverse(split(":", aws_sns_topic.first.arn))[0] }\n}\n'
        ),
        output="aws_sns_topic.first.arn",
    )


def _mirror() -> str | None:
    """The folder that `STACKLY_BENCH_MIRROR` names, when the AWS provider for this machine lies in it."""
    named = os.environ.get(MIRROR)
    system = f"{platform.system().lower()}_{'arm64' if platform.machine() in {'arm64', 'aarch64'} else 'amd64'}"
    found = named and list(Path(named).glob(f"registry.terraform.io/hashicorp/aws/*/{system}"))
    return named if found else None


@contextlib.contextmanager
def _moto(program: str) -> Iterator[str]:
    """A moto server of our own; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
        try:
            _answers(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _answers(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise BenchError("moto_server does not answer")
