"""Policies as people write them."""

from pathlib import Path

import pytest

from stackly_server.hcl.document import HclError, Problem
from stackly_server.hcl.reader import HclReader
from stackly_server.limits import APPROVAL_SECONDS_DEFAULT
from stackly_server.policies.model import Approval, Enforcement, Policy, Selector
from stackly_server.policies.policyfile import parse_policy

GROUPS = {"platform-admins": 3, "net": 1, "ghosts": 0}


async def problems(reader: HclReader, text: str) -> tuple[Problem, ...]:
    document = await reader.read(text.encode())
    with pytest.raises(HclError) as caught:
        parse_policy(document, GROUPS)
    return caught.value.problems


async def test_the_example(reader: HclReader) -> None:
    text = """
policy "production_approval" {
  environment = "prod"
  approval {
    required       = true
    min_approvers  = 2
    allowed_groups = ["platform-admins"]
    self           = false
    expires        = "3d"
  }
}
"""
    assert parse_policy(await reader.read(text.encode()), GROUPS) == Policy(
        name="production_approval",
        selector=Selector(("prod",)),
        approvals=(Approval(True, 2, ("platform-admins",), False, 3 * 86400),),
    )


async def test_defaults_and_all_parts(reader: HclReader) -> None:
    text = """
policy "p" {
  select {
    environments = ["prod", "stage"]
    labels       = { tier = "1" }
  }
  enforcement = "advisory"
  approval {}
  approval { self = true }
}
"""
    policy = parse_policy(await reader.read(text.encode()), GROUPS)
    assert policy.selector == Selector(("prod", "stage"), {"tier": "1"})
    assert policy.enforcement is Enforcement.ADVISORY
    assert policy.approvals == (Approval(expires_seconds=APPROVAL_SECONDS_DEFAULT), Approval(self_allowed=True))
    assert parse_policy(await reader.read(b'policy "p" {\n approval {}\n}'), {}).selector is None


WRONG = [
    ("", 1, "no policy block"),
    ('policy "a" {\n approval {}\n}\npolicy "b" {\n approval {}\n}', 4, "policy stands twice"),
    ('policy "a" {\n}', 1, "asks for nothing"),
    ("policy {\n approval {}\n}", 1, "takes one label"),
    ('policy "A b" {\n approval {}\n}', 1, "no name"),
    ('policy "a" {\n approval { min_approvers = 0 }\n}', 2, "whole number from 1 to 100"),
    ('policy "a" {\n approval { min_approvers = 1.5 }\n}', 2, "whole number"),
    ('policy "a" {\n approval { min_approvers = "2" }\n}', 2, "whole number"),
    ('policy "a" {\n approval { allowed_groups = ["nobody"] }\n}', 2, "group nobody does not exist"),
    ('policy "a" {\n approval { allowed_groups = ["net", "ghosts"] }\n}', 2, "group ghosts has no members"),
    ('policy "a" {\n approval { allowed_groups = [] }\n}', 2, "allowed_groups is empty"),
    ('policy "a" {\n approval { allowed_groups = "net" }\n}', 2, "list of distinct strings"),
    ('policy "a" {\n approval { expires = "soon" }\n}', 2, "a duration"),
    ('policy "a" {\n approval { when = plan.summary.destroy > 0 }\n}', 2, "approval.when is not supported yet"),
    ('policy "a" {\n approval { min_aprovers = 2 }\n}', 2, "nearest known name is min_approvers"),
    ('policy "a" {\n approval {}\n enforcement = "soft"\n}', 3, "not supported yet"),
    ('policy "a" {\n approval {}\n enforcement = "hrad"\n}', 3, "one of"),
    ('policy "a" {\n approval {}\n environment = "x"\n select {}\n}', 3, "write one of them"),
    ('policy "a" {\n approval {}\n select { environments = [] }\n}', 3, "environments is empty"),
    ('policy "a" {\n approval {}\n select { run_types = ["apply"] }\n}', 3, "select.run_types is not supported yet"),
    ('policy "a" {\n approval {}\n selekt {}\n}', 3, "nearest known name is select"),
    ('case "x" {\n policy = "a"\n}', 1, "case is not supported yet"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), WRONG)
async def test_wrong(reader: HclReader, text: str, line: int, message: str) -> None:
    found = await problems(reader, text)
    assert any(message in problem.message and problem.line == line for problem in found), found


@pytest.mark.parametrize("kind", ["schedule", "action", "rule", "deregister", "drift", "validation", "exempt"])
async def test_not_supported_yet(reader: HclReader, kind: str) -> None:
    found = await problems(reader, f'policy "a" {{\n {kind} {{\n  x = 1\n }}\n}}')
    assert [(p.line, p.column, p.line_text, p.message) for p in found] == [
        (2, 2, f" {kind} {{", f"{kind} is not supported yet")
    ]


async def test_all_problems_at_once(reader: HclReader) -> None:
    found = await problems(reader, 'policy "a" {\n approval { self = 1 }\n schedule {}\n x = 2\n}')
    assert [problem.line for problem in found] == [2, 3, 4]


async def test_all_policies_of_the_design_are_told_apart(reader: HclReader, tmp_path: Path) -> None:
    """An expression of a rule is no syntax error: it is named as what is not there yet."""
    text = """
policy "no_public_buckets" {
  rule "acl" {
    condition = !anytrue([for c in plan.changes : c.type == "aws_s3_bucket" && try(c.after.acl, "") == "public-read"])
    message   = "${length(plan.changes)} changes"
  }
}
"""
    assert [problem.message for problem in await problems(reader, text)] == ["rule is not supported yet"]


BRIEF = """
policy "production_approval" {
	environment = "prod"

    approval {
      required = true
      min_approvers = 2
      allowed_groups = ["platform-admins"]
    }
}
"""
"""The brief's approval policy, word for word (but blanks at the ends of lines)."""


async def test_the_example_of_the_brief(reader: HclReader) -> None:
    policy = parse_policy(await reader.read(BRIEF.encode()), GROUPS)
    assert policy.approvals == (Approval(min_approvers=2, allowed_groups=("platform-admins",)),)
