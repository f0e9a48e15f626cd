"""Stack files as people write them: the whole of the design parses, and whatever is wrong is told with its place."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackly_server.hcl.child import parse
from stackly_server.hcl.document import HclError, Plain, Problem, document_from_wire, json_text, lines_of
from stackly_server.hcl.reader import HclReader
from stackly_server.stacks.engine_options import EngineOptions
from stackly_server.stacks.stackfile import (
    Engine,
    PlannedState,
    Requires,
    StackFile,
    StateBlock,
    Timeouts,
    parse_stack_file,
    planned_states,
    stack_state_names,
)

SUPPORTED = """
stack "network" {
  version = "1.0.0"
  variables {
    environment = "prod"
    region      = "us-west-2"
    zones       = ["a", { n = 0.10 }, null]
  }
  policies    = ["production_approval"]
  labels      = { team = "net" }
  environment = "prod"
  auto_deploy = true
  engine      = "auto"
  on_deregister = "loose"
  hooks {}
  terraform { version = "~> 1.11, != 1.11.2" }
  requires {
    features = ["terraform"]
    labels   = { zone = "eu" }
  }
  timeouts {
    plan  = "90s"
    apply = "2h"
  }
  state "eu" {
    labels = { tier = "1", team = "x" }
    variables {
      region = "eu-west-1"
    }
  }
  state "us" {
  }
}
"""


async def read(reader: HclReader, text: str) -> StackFile:
    return parse_stack_file(await reader.read(text.encode()))


async def problems(reader: HclReader, text: str) -> tuple[Problem, ...]:
    with pytest.raises(HclError) as caught:
        await read(reader, text)
    return caught.value.problems


async def test_all_that_is_there(reader: HclReader) -> None:
    variables: dict[str, Plain] = {
        "environment": "prod",
        "region": "us-west-2",
        "zones": ("a", {"n": Decimal("0.10")}, None),
    }
    stack = await read(reader, SUPPORTED)
    assert stack == StackFile(
        name="network",
        version="1.0.0",
        variables=variables,
        policies=("production_approval",),
        labels={"team": "net"},
        environment="prod",
        auto_deploy=True,
        engine=Engine("terraform", "~> 1.11, != 1.11.2"),
        requires=Requires(("terraform",), {"zone": "eu"}),
        timeouts=Timeouts(90, 7200),
        manual_states=False,
        states=(StateBlock("eu", {"tier": "1", "team": "x"}, {"region": "eu-west-1"}), StateBlock("us", {}, {})),
        findings=(),
        units=True,
    )
    assert stack_state_names(stack) == ("network-eu", "network-us")
    first, second = planned_states(stack)
    assert first == PlannedState("network-eu", {"team": "x", "tier": "1"}, {**variables, "region": "eu-west-1"}, "prod")
    assert second == PlannedState("network-us", {"team": "net"}, variables, "prod")
    assert json_text(stack.variables["zones"]) == '["a", {"n": 0.10}, null]'


async def test_defaults(reader: HclReader) -> None:
    stack = await read(reader, 'stack "a" {\n}')
    assert (stack.timeouts, stack.requires, stack.engine) == (Timeouts(1800, 7200), Requires(), Engine("terraform"))
    assert (stack.auto_deploy, stack.environment, stack.version, stack.findings) == (False, None, "", ())
    assert stack_state_names(stack) == ("a",)
    assert stack.units
    assert not (await read(reader, 'stack "a" {\n engine = "whole"\n}')).units


async def test_environment_comes_from_the_variables_when_not_said(reader: HclReader) -> None:
    stack = await read(
        reader,
        'stack "a" {\n variables { environment = "dev" }\n state "b" {\n  variables { environment = "prod" }\n }\n state "c" {}\n}',
    )
    assert [state.environment for state in planned_states(stack)] == ["prod", "dev"]
    assert [
        s.environment for s in planned_states(await read(reader, 'stack "a" {\n variables { environment = 1 }\n}'))
    ] == [None]


async def test_manual_states(reader: HclReader) -> None:
    stack = await read(reader, 'stack "a" {\n states = "manual"\n}')
    assert stack_state_names(stack) == ()
    assert planned_states(stack) == ()


async def test_options_of_the_engine_that_are_not_said(reader: HclReader) -> None:
    stack = await read(reader, 'stack "a" {\n}')
    assert stack.options == EngineOptions(data_refresh=None, max_age=604_800, audit=604_800, max_parallel=None)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('data_refresh = "on_change"', EngineOptions()),
        ('data_refresh = "always"', EngineOptions(data_refresh=0)),
        ('data_refresh = "24h"', EngineOptions(data_refresh=86_400)),
        ('max_age = "90m"', EngineOptions(max_age=5400)),
        ('audit = "never"', EngineOptions(audit=None)),
        ('audit = "30d"', EngineOptions(audit=2_592_000)),
        ("max_parallel = 1", EngineOptions(max_parallel=1)),
        ("max_parallel = 1000", EngineOptions(max_parallel=1000)),
    ],
)
async def test_options_of_the_engine(reader: HclReader, text: str, options: EngineOptions) -> None:
    stack = await read(reader, f'stack "a" {{\n engine = "auto"\n {text}\n}}')
    assert (stack.options, stack.findings) == (options, ())


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ('data_refresh = "daily"', 17, 'data_refresh must be "on_change", "always" or a duration'),
        ('data_refresh = "0h"', 17, 'data_refresh must be "on_change", "always" or a duration'),
        ("data_refresh = 24", 17, "data_refresh"),
        ('audit = "always"', 10, 'audit must be "never" or a duration'),
        ("audit = false", 10, "audit"),
        ('max_age = "never"', 12, "max_age"),
        ('max_age = "0d"', 12, "max_age"),
        ("max_parallel = 0", 17, "max_parallel"),
        ("max_parallel = 1001", 17, "max_parallel"),
        ("max_parallel = 1.5", 17, "max_parallel"),
        ('max_parallel = "8"', 17, "max_parallel"),
        ('max_agee = "7d"', 2, "max_age"),
    ],
)
async def test_options_of_the_engine_that_are_wrong(reader: HclReader, text: str, column: int, words: str) -> None:
    (problem,) = await problems(reader, f'stack "a" {{\n {text}\n}}')
    assert (problem.line, problem.column) == (2, column)
    assert words in problem.message


_AGES = st.tuples(st.integers(1, 999_999_999), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]))


@given(refresh=_AGES, age=_AGES, audit=_AGES, parallel=st.integers(1, 1000))
@settings(deadline=None, max_examples=20)
def test_any_age_is_read_to_the_second(
    refresh: tuple[int, tuple[str, int]],
    age: tuple[int, tuple[str, int]],
    audit: tuple[int, tuple[str, int]],
    parallel: int,
) -> None:
    def text(of: tuple[int, tuple[str, int]]) -> str:
        return f"{of[0]}{of[1][0]}"

    written = f"""stack "a" {{
  data_refresh = "{text(refresh)}"
  max_age      = "{text(age)}"
  audit        = "{text(audit)}"
  max_parallel = {parallel}
}}"""
    read = document_from_wire(parse(written.encode())["document"], lines_of(written.encode()))
    options = parse_stack_file(read).options
    read_seconds, age_seconds, audit_seconds = (of[0] * of[1][1] for of in (refresh, age, audit))
    assert options == EngineOptions(read_seconds, age_seconds, audit_seconds, parallel)


UNBUILT = [
    ('hooks {\n  pre_plan = ["x"]\n }', 3, "hooks"),
    ('on_deregister = "destroy"', 2, "on_deregister"),
    ('refresh = "all"', 2, "refresh"),
    ('triggers { branch = "main" }', 2, "triggers"),
    ('triggers { paths = ["../../shared/**"] }', 2, "triggers"),
    ('drift { schedule = "17 */6 * * *" }', 2, "drift"),
    ('variables { region = secret("aws/region") }', 2, "secret"),
    ('variables { region = [{ a = secret("aws/region") }] }', 2, "secret"),
]


@pytest.mark.parametrize(("text", "line", "code"), UNBUILT)
async def test_what_is_not_there_yet_is_a_finding_with_its_line(
    reader: HclReader, text: str, line: int, code: str
) -> None:
    whole = f'stack "a" {{\n {text}\n}}'
    (finding,) = (await read(reader, whole)).findings
    assert (finding.code, finding.line) == (code, line)
    assert finding.line_text == whole.split("\n")[line - 1]
    assert "not there yet" in finding.message


WRONG = [
    ("", 1, "no stack block"),
    ('stack "a" {\n}\nstack "b" {\n}', 3, "stack stands twice"),
    ("stack {\n}", 1, "takes one label"),
    ('stack "a" "b" {\n}', 1, "takes one label"),
    ('stack "Net" {\n}', 1, '"Net" is no name'),
    ('stack "a-" {\n}', 1, "is no name"),
    (f'stack "{"a" * 64}" {{\n}}', 1, "is no name"),
    ('stak "a" {\n}', 1, "unknown block stak in the file; the nearest known name is stack"),
    ('stack "a" {\n}\nx = 1', 3, "unknown attribute x"),
    ('stack "a" {\n versoin = "1"\n}', 2, "the nearest known name is version"),
    ('stack "a" {\n version = 1\n}', 2, "version must be a string that is not empty, not the number 1"),
    ('stack "a" {\n variables = {}\n}', 2, "variables is a block"),
    ('stack "a" {\n labels {}\n}', 2, "labels is an attribute"),
    ('stack "a" {\n labels = { a = 1 }\n}', 2, "an object of strings"),
    ('stack "a" {\n auto_deploy = "true"\n}', 2, "true or false"),
    ('stack "a" {\n policies = ["a", "a"]\n}', 2, "distinct"),
    ('stack "a" {\n policies = ["A"]\n}', 2, "no name"),
    ('stack "a" {\n engine = "x"\n}', 2, 'one of "auto", "whole"'),
    ('stack "a" {\n hooks { pre_pan = [] }\n}', 2, "nearest known name is pre_plan"),
    ('stack "a" {\n terraform {}\n tofu {}\n}', 3, "not both"),
    ('stack "a" {\n terraform { version = "latest" }\n}', 2, "no version constraint"),
    ('stack "a" {\n tofu { version = ">= 1.5,, < 2" }\n}', 2, "no version constraint"),
    ('stack "a" {\n terraform { version = "=> 1.5" }\n}', 2, "no version constraint"),
    ('stack "a" {\n requires { memory = "2GB" }\n}', 2, "a size such as"),
    ('stack "a" {\n requires { cpu = 0 }\n}', 2, "a number above 0"),
    ('stack "a" {\n timeouts { plan = "8d" }\n}', 2, "longer than 7d"),
    ('stack "a" {\n timeouts { plan = 30 }\n}', 2, "a duration"),
    ('stack "a" {\n state "b" {}\n state "b" {}\n}', 3, 'state "b" stands twice; the first is in line 2'),
    (f'stack "{"a" * 40}" {{\n state "{"b" * 40}" {{}}\n}}', 2, "longer than 63 characters"),
    ('stack "a" {\n states = "manual"\n state "b" {}\n}', 3, "exclude each other"),
    ('stack "a" {\n states = "auto"\n}', 2, 'states must be "manual"'),
    ('stack "a" {\n variables { x = var.y }\n}', 2, "must be written out"),
    ('stack "a" {\n variables { x = "${y}" }\n}', 2, "must be written out"),
    ('stack "a" {\n variables { x = file("y") }\n}', 2, "must be written out"),
    ('stack "a" {\n variables { x = secret() }\n}', 2, "secret takes one name"),
    ('stack "a" {\n variables {\n  x {}\n }\n}', 3, "write x = {"),
    ('stack "a" {\n drift { on_drift = "x" }\n}', 2, "one of"),
    ('stack "a" {\n audit = "x"\n}', 2, "audit must be"),
    ('stack "a" {\n version = "1" auto_deploy = true\n}', 2, "a new line is missing"),
    ('stack "a" {\n version = "1"\n version = "2"\n}', 3, "version is set twice"),
    ('stack "a" {\n version = "1\n}', 2, "a string may not run over the end of its line"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), WRONG)
async def test_wrong(reader: HclReader, text: str, line: int, message: str) -> None:
    found = await problems(reader, text)
    assert any(message in problem.message and problem.line == line for problem in found), found
    assert all(problem.line_text == text.split("\n")[problem.line - 1][:200] for problem in found)


async def test_all_problems_at_once_in_order(reader: HclReader) -> None:
    found = await problems(reader, 'stack "a" {\n version = 1\n x = 2\n timeouts { plan = "x" }\n}\ny {}')
    assert [problem.line for problem in found] == [2, 3, 4, 6]


async def test_sizes_of_workers_are_read_and_block_runs_as_nobody_picks_workers_by_them_yet(reader: HclReader) -> None:
    stack = await read(reader, 'stack "a" {\n  requires {\n    cpu = 0.5\n    memory = "2GiB"\n  }\n}\n')
    assert (stack.requires.cpu, stack.requires.memory_bytes) == (Decimal("0.5"), 2 * 2**30)
    assert [(finding.code, finding.line) for finding in stack.findings] == [("requires", 3), ("requires", 4)]


@settings(deadline=None)
@given(st.data())
def test_any_change_of_a_good_file_gets_an_answer(data: st.DataObject) -> None:
    raw = SUPPORTED.encode()
    at = data.draw(st.integers(0, len(raw)))
    changed = (
        raw[:at]
        + data.draw(st.binary(max_size=6) | st.sampled_from([b"{", b"}", b'"', b"\n", b"=", b"["]))
        + raw[at + data.draw(st.integers(0, 30)) :]
    )
    answer = parse(changed)
    if "document" not in answer:
        assert answer["line"] >= 1
        return
    try:
        stack = parse_stack_file(document_from_wire(answer["document"], lines_of(changed)))
    except HclError as error:
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)  # noqa: PT017
    else:
        assert len(set(stack_state_names(stack))) == max(len(stack.states), 1 - stack.manual_states)


BRIEF = """
stack "example" {
  version = "1.0.0"

  variables {
    environment = "prod"
    region = "us-west-2"
  }

  policies = [
    "deployment_window",
    "production_approval"
  ]

  hooks {
    pre_plan = ["validate_quotas"]
    post_apply = ["notify_slack"]
  }
}
"""
"""The brief's example, word for word (but blanks at the ends of lines)."""


async def test_the_example_of_the_brief(reader: HclReader) -> None:
    stack = await read(reader, BRIEF)
    assert (stack.name, stack.version, stack.policies) == (
        "example",
        "1.0.0",
        ("deployment_window", "production_approval"),
    )
    assert [state.environment for state in planned_states(stack)] == ["prod"]
    assert [finding.message for finding in stack.findings] == [
        "hooks.pre_plan is not there yet",
        "hooks.post_apply is not there yet",
    ]
