"""Audits by the command line: asking for one, seeing what it found, and saying whether the engine is trusted."""

import pytest

from fakes.stackly_api import API_KEY
from fakes.stackly_world import FakeStackly
from stackly.v1 import runs_pb2, stacks_pb2
from stackly_sdk import Stackly
from stackly_sdk._gen.stackly.v1 import Audit, AuditResult
from stackly_sdk.cli.audits import audit_lines
from stackly_sdk.cli.program import run


@pytest.fixture(autouse=True)
def here(api: FakeStackly, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKLY_ENDPOINT", api.url)
    monkeypatch.setenv("STACKLY_API_KEY", API_KEY)


def test_an_audit_is_asked_for_and_its_findings_are_shown(api: FakeStackly, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stacks", "audit", "auto", "-m", "why"]) == 0
    ((name, made),) = api.runs.items()
    assert (made.type, made.message, made.to_commit) == (runs_pb2.RUN_TYPE_AUDIT, "why", "")
    capsys.readouterr()
    assert run(["plan", "show", "/".join(name.split("/")[3::2])]) == 0
    said = capsys.readouterr().out
    assert "Audit UNSOUND: the engine was wrong" in said
    assert "unsound  module.app.t.x  (module.app) it would update" in said


def test_a_person_says_whether_the_engine_is_trusted(api: FakeStackly, capsys: pytest.CaptureFixture[str]) -> None:
    with Stackly(endpoint=api.url, api_key=API_KEY) as client:
        assert run(["stacks", "update", "auto", "--suspend-engine"]) == 0
        assert client.stacks.get("auto").raw.engine_suspended is True
        assert run(["stacks", "update", "auto", "--trust-engine"]) == 0
        assert client.stacks.get("auto").raw.engine_suspended is False
    capsys.readouterr()
    assert stacks_pb2.STACK_STATE_CONDITION_ENGINE_SUSPENDED == 5


@pytest.mark.parametrize(
    ("audit", "first"),
    [
        (Audit(result=AuditResult.CLEAN), "Audit clean: nothing that a run would skip has anything to do."),
        (Audit(result=AuditResult.NOTHING, reason="it runs whole"), "Audit: nothing could be audited: it runs whole."),
        (Audit(result=AuditResult.DRIFT), "Audit drift: the world, the state or a provider differs"),
        (Audit(), "Audit not known to this version."),
    ],
)
def test_the_words_of_each_result(audit: Audit, first: str) -> None:
    lines = [text for text, _ in audit_lines(audit)]
    assert lines[0].startswith(first)
    assert lines[1] == "0 units would be skipped by a run, and were audited."
