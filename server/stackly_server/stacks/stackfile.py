"""`stackly.hcl`: a parsed document to a `StackFile`. Pure; what has no feature yet becomes a blocking finding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from stackly_engine.constraints import BadVersionError, Constraint
from stackly_server.hcl.document import Block, Call, Document, HclError, Place, Plain, Scalar, Value
from stackly_server.hcl.shape import ID, ID_RULE, Body, Notes, literal, strangers
from stackly_server.stacks.engine_options import EngineOptions, read_options
from stackly_server.stacks.unbuilt import note_unbuilt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

ID_CHARACTERS = 63
CPU_LIMIT = 1024
STATES_LIMIT = 200
"""State blocks in one file."""
TIMEOUT_SECONDS = 7 * 86400
"""The longest timeout."""
PLAN_SECONDS = 1800
APPLY_SECONDS = 7200


@dataclass(frozen=True, slots=True)
class Finding:
    """A part that parses but cannot be honoured yet: runs of the stack are blocked until it is gone."""

    code: str
    message: str
    line: int
    column: int
    line_text: str


@dataclass(frozen=True, slots=True)
class Engine:
    """The product that must run the stack, with a version constraint in Terraform's syntax ("" = any)."""

    product: Literal["terraform", "tofu"]
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class Requires:
    """What a worker must have proved: `cpu` in cores, `memory_bytes` in bytes; None asks for nothing."""

    features: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu: Decimal | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that planning and applying may take."""

    plan: int = PLAN_SECONDS
    apply: int = APPLY_SECONDS


@dataclass(frozen=True, slots=True)
class StateBlock:
    """One `state` block, as written."""

    name: str
    labels: Mapping[str, str]
    variables: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class StackFile:
    """A valid stack file. `findings` block runs. `manual_states`: StackStates are made by API only.

    `units`: runs cut the root into units and skip those that did not change (`engine = "auto"`).
    """

    name: str
    version: str
    variables: Mapping[str, Plain]
    policies: tuple[str, ...]
    labels: Mapping[str, str]
    environment: str | None
    auto_deploy: bool
    engine: Engine
    requires: Requires
    timeouts: Timeouts
    manual_states: bool
    states: tuple[StateBlock, ...]
    findings: tuple[Finding, ...]
    units: bool = False
    options: EngineOptions = field(default_factory=EngineOptions)


@dataclass(frozen=True, slots=True)
class PlannedState:
    """A StackState that the file asks for: stack and state block merged, the block being the stronger."""

    name: str
    labels: Mapping[str, str]
    variables: Mapping[str, Plain]
    environment: str | None


def parse_stack_file(document: Document) -> StackFile:
    """The stack file in a document.

    Raises:
        HclError: anything unknown, mistyped, repeated or out of bounds; all such problems at once.
    """
    notes = Notes(document)
    root = Body(document.body, "the file", notes)
    block = root.only("stack", labels=1)
    root.close()
    if block is None:
        notes.check()
        raise HclError([notes.problem(document.body.place, 'no stack block; write stack "name" { … }')])
    stack = _StackReader(block, notes).read()
    notes.check()
    return stack


def stack_state_names(stack: StackFile) -> tuple[str, ...]:
    """The ids of the StackStates that the file asks for: the stack's own name, or `{stack}-{state}` for each block."""
    if stack.manual_states:
        return ()
    return tuple(f"{stack.name}-{state.name}" for state in stack.states) or (stack.name,)


def planned_states(stack: StackFile) -> tuple[PlannedState, ...]:
    """The StackStates that the file asks for, in its order, named as `stack_state_names` has it."""
    if stack.manual_states:
        return ()
    blocks = stack.states or (StateBlock(stack.name, {}, {}),)
    return tuple(_planned(stack, block, name) for block, name in zip(blocks, stack_state_names(stack), strict=True))


def _planned(stack: StackFile, block: StateBlock, name: str) -> PlannedState:
    variables = {**stack.variables, **block.variables}
    guess = variables.get("environment")
    return PlannedState(
        name=name,
        labels={**stack.labels, **block.labels},
        variables=variables,
        environment=stack.environment or (guess if isinstance(guess, str) and guess else None),
    )


class _StackReader:
    """Reads the one stack block."""

    def __init__(self, block: Block, notes: Notes) -> None:
        self._notes = notes
        self._block = block
        self._body = Body(block, "stack", notes)
        self._findings: list[Finding] = []

    def read(self) -> StackFile:
        body, name = self._body, self._name(self._block)
        manual = body.choice("states", ["manual"]) is not None
        stack = StackFile(
            name=name,
            version=body.text("version") or "",
            variables=self._variables(body),
            policies=self._ids("policies"),
            labels=body.text_map("labels"),
            environment=body.text("environment"),
            auto_deploy=body.boolean("auto_deploy") or False,
            engine=self._engine(),
            requires=self._requires(),
            timeouts=self._timeouts(),
            manual_states=manual,
            states=self._states(name, manual=manual),
            findings=(),
            units=body.choice("engine", ("auto", "whole")) == "auto",
            options=read_options(body),
        )
        note_unbuilt(body, self._find)
        body.close()
        return _with_findings(stack, self._findings)

    def _find(self, code: str, place: Place, message: str) -> None:
        problem = self._notes.problem(place, message)
        self._findings.append(Finding(code, message, problem.line, problem.column, problem.line_text))

    def _name(self, block: Block) -> str:
        label = block.labels[0]
        if not ID.fullmatch(label.text):
            self._notes.add(label.place, f'"{label.text[:80]}" is no name: {ID_RULE}')
        return label.text

    def _ids(self, name: str) -> tuple[str, ...]:
        ids = self._body.texts(name)
        attribute = self._body.attribute(name)
        for each in ids:
            if attribute is not None and not ID.fullmatch(each):
                self._notes.add(attribute.value.place, f'"{each[:80]}" is no name: {ID_RULE}')
        return ids

    def _variables(self, body: Body) -> dict[str, Plain]:
        block = body.only("variables")
        if block is None:
            return {}
        for inner in block.blocks:
            self._notes.add(inner.place, f"a block has no place in variables: write {inner.kind} = {{ … }}")
        return {
            attribute.name: literal(attribute.value)
            for attribute in block.attributes
            if not self._strange(attribute.value, attribute.name)
        }

    def _strange(self, value: Value, name: str) -> bool:
        """Notes what is no literal in a variable's value: `secret("…")` as a finding, all else as a problem."""
        found = strangers(value)
        for each in found:
            if isinstance(each, Call) and each.name == "secret":
                self._secret(each, name)
            else:
                self._notes.add(
                    each.place, f'the value of {name} must be written out; only secret("name") may be called'
                )
        return bool(found)

    def _secret(self, call: Call, name: str) -> None:
        match call.arguments:
            case (Scalar(value=str() as text),) if text:
                self._find("secret", call.place, f"the variable {name} asks for a secret: secret(…) is not there yet")
            case _:
                self._notes.add(call.place, "secret takes one name in quotes")

    def _engine(self) -> Engine:
        blocks = {kind: self._body.only(kind) for kind in ("terraform", "tofu")}
        terraform, tofu = blocks["terraform"], blocks["tofu"]
        if terraform is not None and tofu is not None:
            self._notes.add(
                max(terraform.place, tofu.place, key=lambda place: place.line), "terraform or tofu, not both"
            )
        block = terraform or tofu
        if block is None:
            return Engine("terraform")
        inner = Body(block, block.kind, self._notes)
        constraint = inner.text("version") or ""
        attribute = inner.attribute("version")
        if attribute is not None and not _is_constraint(constraint):
            self._notes.add(attribute.value.place, f'"{constraint[:80]}" is no version constraint such as "~> 1.11"')
        inner.close()
        return Engine("tofu" if block is tofu else "terraform", constraint)

    def _requires(self) -> Requires:
        inner = self._body.inner("requires")
        if inner is None:
            return Requires()
        requires = Requires(
            features=inner.texts("features"),
            labels=inner.text_map("labels"),
            cpu=inner.positive("cpu", CPU_LIMIT),
            memory_bytes=inner.size("memory"),
        )
        for name in ("cpu", "memory"):
            attribute = inner.attribute(name)
            if attribute is not None:
                self._find("requires", attribute.place, f"requires.{name} is not there yet: use labels of workers")
        inner.close()
        return requires

    def _timeouts(self) -> Timeouts:
        inner = self._body.inner("timeouts")
        if inner is None:
            return Timeouts()
        timeouts = Timeouts(inner.seconds("plan") or PLAN_SECONDS, inner.seconds("apply") or APPLY_SECONDS)
        for name, seconds in (("plan", timeouts.plan), ("apply", timeouts.apply)):
            if seconds > TIMEOUT_SECONDS:
                self._notes.add(inner.block.place, f"the timeout {name} is longer than 7d")
        inner.close()
        return timeouts

    def _states(self, stack: str, *, manual: bool) -> tuple[StateBlock, ...]:
        blocks = self._body.blocks("state", labels=1)
        if manual and blocks:
            self._notes.add(blocks[0].place, 'state blocks and states = "manual" exclude each other')
        if len(blocks) > STATES_LIMIT:
            self._notes.add(blocks[STATES_LIMIT].place, f"more than {STATES_LIMIT} state blocks")
        self._refuse_repeated(blocks)
        return tuple(self._state(block, stack) for block in blocks)

    def _state(self, block: Block, stack: str) -> StateBlock:
        name = self._name(block)
        if len(stack) + 1 + len(name) > ID_CHARACTERS:
            self._notes.add(block.labels[0].place, f"{stack}-{name} is longer than {ID_CHARACTERS} characters")
        inner = Body(block, "state", self._notes)
        state = StateBlock(name, inner.text_map("labels"), self._variables(inner))
        inner.close()
        return state

    def _refuse_repeated(self, blocks: tuple[Block, ...]) -> None:
        first: dict[str, int] = {}
        for block in blocks:
            name = block.labels[0].text
            if name in first:
                self._notes.add(block.place, f'state "{name}" stands twice; the first is in line {first[name]}')
            first.setdefault(name, block.place.line)


def _is_constraint(text: str) -> bool:
    try:
        Constraint.parse(text)
    except BadVersionError:
        return False
    return True


def _with_findings(stack: StackFile, findings: list[Finding]) -> StackFile:
    ordered = sorted(findings, key=lambda finding: (finding.line, finding.column))
    return replace(stack, findings=tuple(ordered))
