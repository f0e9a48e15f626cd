"""What the worker decides without asking anybody: times, versions, files, streams."""

import fcntl
import json
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly.v1 import worker_registry_pb2
from stackly.worker.v1 import runner_service_pb2 as messages
from stackly.worker.v1 import tasks_pb2
from stackly_worker.agent import capabilities, places, rotation
from stackly_worker.agent.folders import Folders
from stackly_worker.agent.joinfile import JoinFile, JoinFileError
from stackly_worker.runner import streams
from stackly_worker.runner.ports import PlaneRefusedError
from stackly_worker.runner.requirement import RequirementError, choose
from stackly_worker.runner.task import Task, TaskFormatError
from stackly_worker.runner.terraform import Engine, Mirrors

HERE = [Engine(("t",), "terraform", version) for version in ("1.5.7", "1.11.4", "1.12.0-beta1")]


@given(begins=st.floats(0, 1e9), life=st.floats(20, 1e5), chance=st.floats(0, 1))
def test_renewals_are_spread_around_the_half_and_end_in_time(begins: float, life: float, chance: float) -> None:
    moments = rotation.moments(begins, begins + life, chance)
    shares = [(moment - begins) / life for moment in moments]
    assert 0.449 <= shares[0] <= 0.551
    assert shares[1:3] == pytest.approx([0.625, 0.75], abs=0.01)
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] < 1


@pytest.mark.parametrize(
    ("requirement", "version"),
    [
        ("terraform", "1.5.7"),
        ("", "1.5.7"),
        ("terraform >= 0", "1.11.4"),
        ("terraform ~> 1.12.0", "1.12.0-beta1"),
        ("terraform 1.5.7", "1.5.7"),
        ("terraform = 1.11.4", "1.11.4"),
        ("terraform ~> 1.5.0", "1.5.7"),
        ("terraform ~> 1.5", "1.11.4"),
        ("terraform >= 1.5, < 1.11", "1.5.7"),
        ("terraform != 1.11.4", "1.5.7"),
        ("terraform 1.12.0-beta1", "1.12.0-beta1"),
    ],
)
def test_engine_is_chosen_as_terraform_would(requirement: str, version: str) -> None:
    assert choose(requirement, HERE).version == version


@pytest.mark.parametrize("requirement", ["tofu", "terraform >= 2", "terraform latest", "terraform ~> 1.13.0"])
def test_engine_that_does_not_fit_is_refused(requirement: str) -> None:
    with pytest.raises(RequirementError):
        choose(requirement, HERE)


def test_join_file(tmp_path: Path) -> None:
    path = tmp_path / "join.json"
    facts = {"server": "https://h:1", "ca_pin": "sha256:" + "a" * 64, "token": "stj_secret"}
    path.write_text(json.dumps(facts))
    join = JoinFile.read(path)
    assert (join.server, join.ca_pin, join.token) == ("https://h:1", "a" * 64, "stj_secret")
    assert "stj_secret" not in repr(join)
    for broken in ("", "[]", "{}", json.dumps({**facts, "ca_pin": "md5:1"})):
        path.write_text(broken)
        with pytest.raises(JoinFileError):
            JoinFile.read(path)


@pytest.mark.parametrize(
    ("nonce", "engine"), [('x")+file("/etc/passwd', "terraform 1.11.4"), ("", "terraform 1.11.4"), ("x\n1", "")]
)
def test_challenge_that_asks_for_more_is_refused(nonce: str, engine: str) -> None:
    challenge = worker_registry_pb2.Challenge(nonce=nonce, engines=[engine])
    with pytest.raises(capabilities.ChallengeError):
        capabilities.answers(challenge, HERE)


def test_an_engine_that_is_not_here_has_no_answer() -> None:
    challenge = worker_registry_pb2.Challenge(nonce="plain", engines=["terraform 9.9.9"])
    assert capabilities.answers(challenge, HERE) == {}


@given(text=st.text(max_size=50), epoch=st.integers(0, 2**40))
def test_task_line_comes_back(text: str, epoch: int) -> None:
    task = Task(
        public_url=text, ca=text, run_token=text, epoch=epoch, folder=Path("/f"), work=Path("/w"), engines=tuple(HERE),
        mirrors=Mirrors((Path("/m"),), direct=False), environment={"A": text}, secrets=(text,), recover=True,
    )  # fmt: skip
    line = task.to_line()
    assert line.count(b"\n") == 1
    assert Task.from_line(line) == task


@given(st.binary(max_size=200))
def test_task_line_of_noise_is_refused(line: bytes) -> None:
    with pytest.raises(TaskFormatError):
        Task.from_line(line)


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=10)
trees = st.dictionaries(names, st.one_of(st.binary(max_size=30), names), max_size=5)


async def records(tree: dict[str, bytes | str]) -> AsyncIterator[messages.FetchSourceResponse]:
    listing = b""
    for path, content in tree.items():
        link = content if isinstance(content, str) else ""
        data = content.encode() if isinstance(content, str) else content
        entry = messages.SourceEntry(path=path, link_target=link, size_bytes=0 if link else len(data))
        yield messages.FetchSourceResponse(entry=entry)
        for at in range(0, 0 if link else len(data), 7):
            yield messages.FetchSourceResponse(chunk=data[at : at + 7])
        mode = b"120000" if link else b"100644"
        listing += path.encode() + b"\0" + mode + b"\0" + sha256(data).hexdigest().encode() + b"\n"
    end = messages.SourceEnd(entries=len(tree), tree_sha256=sha256(listing).hexdigest())
    yield messages.FetchSourceResponse(end=end)


async def cut(
    stream: AsyncIterator[messages.FetchSourceResponse], at: int
) -> AsyncIterator[messages.FetchSourceResponse]:
    left = at
    async for record in stream:
        if left == 0:
            return
        left -= 1
        yield record


@given(trees, st.data())
async def test_source_comes_whole_or_not_at_all(tree: dict[str, bytes | str], data: st.DataObject) -> None:
    reader = streams.SourceReader(records(tree))
    got = {file.path: b"".join([part async for part in file.chunks]) async for file in reader.files()}
    assert got == {path: item.encode() if isinstance(item, str) else item for path, item in tree.items()}
    whole = [record async for record in records(tree)]
    at = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(PlaneRefusedError):
        _ = [file.path async for file in streams.SourceReader(cut(records(tree), at)).files()]


def test_batches_keep_their_names(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    batch = tasks_pb2.BatchRef(run_id="0199", plan_number=2, batch="b1", phase=tasks_pb2.BATCH_PHASE_APPLY)
    assert folders.latest(batch) is None
    folders.new(batch, 2)
    assert folders.new(batch, 10).path == tmp_path / "0199-2-apply-b1/e10"
    latest = folders.latest(batch)
    assert latest is not None
    assert latest.path.name == "e10"
    with pytest.raises(ValueError, match="cannot name"):
        folders.new(tasks_pb2.BatchRef(run_id="../x", batch="b1"), 1)


def test_old_places_go_unless_they_hold_something(tmp_path: Path) -> None:
    for name in ("old", "held", "unsent"):
        (tmp_path / name / "state").mkdir(parents=True)
    (tmp_path / "unsent/state/unsent-1.tfstate").write_text("{}")
    later = time.time() + places.KEPT_SECONDS + 60
    assert places.prune(tmp_path) == [], "nothing is old yet"
    with (tmp_path / "held/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert places.prune(tmp_path, later) == ["old"]
    assert places.prune(tmp_path, later) == ["held"]
    assert [path.name for path in tmp_path.iterdir()] == ["unsent"]
