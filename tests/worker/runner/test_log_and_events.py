"""Terraform's lines become a readable log within its bounds."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_worker.runner import limits
from stackly_worker.runner.events import Events, read
from stackly_worker.runner.logspool import LogSpool
from stackly_worker.runner.redact import Redactor
from stackly_worker.runner.transcript import Transcript


def hook(kind: str, address: str, action: str = "create") -> bytes:
    return json.dumps({"@message": f"{address}: {kind}", "type": kind,
                       "hook": {"resource": {"addr": address}, "action": action}}).encode()  # fmt: skip


def diagnostic(**fields: Any) -> bytes:
    return json.dumps(
        {"@message": "Error: x", "type": "diagnostic", "diagnostic": {"severity": "error"} | fields}
    ).encode()


def test_suspects_are_what_began_and_did_not_end() -> None:
    events = read([
        hook("apply_start", "t.done"), hook("apply_start", "t.failed"), hook("apply_start", "t.open", "delete"),
        hook("apply_complete", "t.done"), hook("apply_errored", "t.failed"), hook("apply_progress", "t.open"),
    ])  # fmt: skip
    assert events.suspects == {"t.open": "delete"}
    assert events.failed == {"t.failed": "create"}
    assert events.finished == 1


def test_a_diagnostic_is_shown_like_terraform_shows_it_and_kept_as_an_error() -> None:
    events = Events()
    text = events.feed(diagnostic(
        summary="Bad", detail="It is.", address="t.a", range={"filename": "m.tf", "start": {"line": 7}},
        snippet={"context": 'resource "t" "a"', "code": "x = nope\ny = 1", "start_line": 7,
                 "values": [{"traversal": "nope", "statement": "is wrong"}]},
    ))  # fmt: skip
    assert text == (
        '\nError: Bad\n\n  with t.a,\n  on m.tf line 7, in resource "t" "a":\n     7: x = nope\n     8: y = 1\n'
        "    nope is wrong\n\nIt is.\n\n"
    )
    (error,) = events.errors
    assert (error.summary, error.detail, error.file, error.line, error.address) == ("Bad", "It is.", "m.tf", 7, "t.a")


def test_at_most_ten_errors_are_kept_and_all_counted() -> None:
    events = read(diagnostic(summary=f"{at}", detail="d" * 10_000) for at in range(12))
    assert (len(events.errors), events.errors_total) == (10, 12)
    assert len(events.errors[0].detail) == limits.ERROR_TEXT


def test_a_dumped_state_is_kept_and_not_shown() -> None:
    state = json.dumps({"version": 4, "serial": 3, "lineage": "l", "outputs": {"s": "canary"}}, indent=2)
    events = Events()
    shown = "".join(
        events.feed(line.encode()) for line in ["Error: Failed to persist state", *state.split("\n"), "after"]
    )
    assert "canary" not in shown
    assert shown.endswith("after\n")
    assert events.dump is not None
    assert json.loads(events.dump)["serial"] == 3
    assert events.errors[0].summary == "Failed to persist state"


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=5))
def test_foreign_lines_never_break_the_reader(lines: list[bytes]) -> None:
    assert read([*lines, b'{"type": 1}', b"{]", b'{"@message": null}', b"[1]"]).suspects == {}


def test_the_log_is_read_by_offset_and_goes_on_after_a_reopen(tmp_path: Path) -> None:
    with LogSpool(tmp_path / "log") as spool:
        assert spool.append(b"one\ntwo\n") == 8
        assert spool.read(4) == b"two\n"
        assert spool.read(0, 3) == b"one"
        assert spool.read(8) == b""
    with LogSpool(tmp_path / "log") as spool:
        spool.append(b"three\n")
        assert spool.read(8) == b"three\n"


def test_a_long_line_is_cut_once_however_it_arrives(tmp_path: Path) -> None:
    with LogSpool(tmp_path / "log") as spool:
        for _ in range(100):
            spool.append(b"x" * 1000)
        spool.append(b"end\nnext\n" + b"y" * limits.LOG_LINE)
        data = b"".join(iter(lambda at=[0]: _next(spool, at), b""))  # type: ignore[misc]
    first, second, third = data.split(b"\n")
    assert first == b"x" * limits.LOG_LINE + b" ...(line cut at 64 KiB)"
    assert (second, third) == (b"next", b"y" * limits.LOG_LINE)


def _next(spool: LogSpool, at: list[int]) -> bytes:
    part = spool.read(at[0])
    at[0] += len(part)
    return part


def test_the_log_has_a_bound_and_says_so(tmp_path: Path) -> None:
    with LogSpool(tmp_path / "log", limit=1000) as spool:
        for _ in range(100):
            spool.append(b"a line of the log\n")
        assert spool.size <= 1000
        assert spool.full
        assert spool.read(0).endswith(b"(the log of this run reached its bound; what follows is not kept)\n")


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_transcript_takes_output_in_any_portion(tmp_path: Path, size: int) -> None:
    out = tmp_path / "out"
    lines = [hook("apply_start", "t.a"), b"plain secret-of-mine", hook("apply_complete", "t.a"), b"open end"]
    data, written = b"\n".join(lines), b""
    with LogSpool(tmp_path / "log") as spool:
        transcript = Transcript(out, spool, Redactor(["secret-of-mine"]))
        assert not transcript.poll()
        for at in range(0, len(data), size):
            written += data[at : at + size]
            out.write_bytes(written)
            transcript.poll()
        transcript.finish()
        assert spool.read(0) == b"t.a: apply_start\nplain (sensitive)\nt.a: apply_complete\nopen end\n"
        assert transcript.events.finished == 1
