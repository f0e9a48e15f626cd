"""Findings as errors: each with its line and column."""

from collections.abc import Sequence

from stackly_server.errors import FieldProblem, NotNow
from stackly_server.stacks.model import CodeFinding

_SHOWN = 20


def config_invalid(findings: Sequence[CodeFinding], commit: str) -> NotNow:
    """The refusal of a stack file that stops runs; facts name the first place, fields every one."""
    if not findings:
        return NotNow("CONFIG_INVALID", "The stack file could not be read.", commit=commit)
    first = findings[0]
    return NotNow(
        "CONFIG_INVALID",
        f"{_place(first)}: {first.message}",
        fields=[FieldProblem(_place(each), each.message) for each in findings[:_SHOWN]],
        commit=commit,
        path=first.path,
        line=str(first.line),
        column=str(first.column),
        line_text=first.line_text,
    )


def _place(finding: CodeFinding) -> str:
    return f"{finding.path}:{finding.line}:{finding.column}" if finding.line else finding.path
