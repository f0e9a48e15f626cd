"""Stack codes, their versions, stack states: what they are and what follows from what. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from stackly_server.stacks.config import StackConfig, StateConfig
from stackly_server.stacks.engine_build import BUILD, EVERY_BUILD
from stackly_server.stacks.engine_options import EngineOptions

BY_HAND = "-"
"""The state block of a stack state that a person made. No block has this name."""
STACK_FILE = "stackly.hcl"
NAME_CHARACTERS = 63


class CodeStatus(Enum):
    """The life of a stack code. INVALID: its newest commit has errors, or parts that are not supported yet."""

    ACTIVE = "ACTIVE"
    INVALID = "INVALID"
    DEREGISTERED = "DEREGISTERED"


class Condition(Enum):
    """What is remarkable about a stack state beside its status."""

    LOCKED = "LOCKED"
    UPDATE_AVAILABLE = "UPDATE_AVAILABLE"
    LAST_RUN_FAILED = "LAST_RUN_FAILED"
    HISTORY_MISMATCH = "HISTORY_MISMATCH"
    ENGINE_SUSPENDED = "ENGINE_SUSPENDED"


@dataclass(frozen=True, slots=True)
class CodeFinding:
    """An error or a remark at its place; line and column from 1, 0 when there is none. Blocking ones stop runs."""

    code: str
    message: str
    path: str
    line: int = 0
    column: int = 0
    line_text: str = ""
    blocking: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a stack at one commit. `config` is None when the stack file has errors.

    `digest` changes with anything that the stack depends on in its repository. Author and message are the words of
    the commit's author.
    """

    commit: str
    digest: str
    config: StackConfig | None
    findings: tuple[CodeFinding, ...]
    author: str
    message: str
    committed_at: datetime

    @property
    def status(self) -> CodeStatus:
        """What becomes of the stack code."""
        return CodeStatus.INVALID if self.blocking or self.config is None else CodeStatus.ACTIVE

    @property
    def blocking(self) -> tuple[CodeFinding, ...]:
        """What stops runs."""
        return tuple(finding for finding in self.findings if finding.blocking)


@dataclass(frozen=True, slots=True)
class StackCode:
    """A row of `stack_codes`, with the slug of its repository and how many stack states it has."""

    id: UUID
    slug: str
    repository_id: UUID
    repository: str
    repo_path: str
    ref: str
    current_commit: str
    good_commit: str
    config: StackConfig | None
    findings: tuple[CodeFinding, ...]
    status: CodeStatus
    stack_state_count: int
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StackCodeVersion:
    """A row of `stack_code_versions`: a stack code at one commit, as it was read then."""

    stack_code_id: UUID
    commit_hash: str
    digest: str
    author: str
    message: str
    committed_at: datetime
    config: StackConfig | None
    findings: tuple[CodeFinding, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StackState:
    """A row of `stack_states`. Labels and variables are those set by API; variables are JSON texts by name."""

    id: UUID
    name: str
    namespace_id: UUID
    stack_code_id: UUID
    state_block: str
    commit_hash: str
    desired_commit: str
    environment: str
    labels: Mapping[str, str]
    variables: Mapping[str, str]
    secret_variables: bytes | None = field(repr=False)
    auto_deploy: bool | None
    status: str
    last_run_failed: bool
    history_mismatch: bool
    last_applied_run_id: UUID | None
    version: int
    deleted_at: datetime | None
    purge_at: datetime | None
    created_at: datetime
    updated_at: datetime
    suspended_build: str = ""

    @property
    def etag(self) -> str:
        """Changes with each change."""
        return f'"{self.version}"'

    @property
    def engine_suspended(self) -> bool:
        """Whether it runs whole, whatever its code says: a new build of the engine is trusted again."""
        return self.suspended_build in {BUILD, EVERY_BUILD}


@dataclass(frozen=True, slots=True)
class Blueprint:
    """All that a run of a stack state at one commit goes by. Variables are plain ones, as JSON texts by name."""

    repository_id: UUID
    repo_path: str
    engine: str
    constraint: str
    features: tuple[str, ...]
    required_labels: Mapping[str, str]
    plan_timeout_seconds: int
    apply_timeout_seconds: int
    policies: tuple[str, ...]
    environment: str
    labels: Mapping[str, str]
    variables: Mapping[str, str]
    auto_deploy: bool
    message: str
    units: bool
    options: EngineOptions
    engine_suspended: bool


def blueprint_of(code: StackCode, version: StackCodeVersion, config: StackConfig, state: StackState) -> Blueprint:
    """What the stack file says at a commit, with what was set by API on top."""
    said = config.state(state.state_block)
    return Blueprint(
        repository_id=code.repository_id,
        repo_path=code.repo_path,
        engine=config.engine,
        constraint=config.constraint,
        features=config.features,
        required_labels=config.required_labels,
        plan_timeout_seconds=config.plan_timeout_seconds,
        apply_timeout_seconds=config.apply_timeout_seconds,
        policies=config.policies,
        environment=said.environment,
        labels={**said.labels, **state.labels},
        variables={**said.variables, **state.variables},
        auto_deploy=config.auto_deploy if state.auto_deploy is None else state.auto_deploy,
        message=version.message,
        units=config.units and not state.engine_suspended,
        engine_suspended=config.units and state.engine_suspended,
        options=config.options,
    )


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a stack file asks of the stack states that are there.

    `kept` go on; `returned` were loose and go on; `loosened` are no longer in the file. Deleted ones stay deleted,
    and are not made anew: a person wanted it so.
    """

    new: tuple[StateConfig, ...]
    kept: tuple[StackState, ...]
    returned: tuple[StackState, ...]
    loosened: tuple[StackState, ...]


def reconcile(config: StackConfig, there: Sequence[StackState]) -> Reconciliation:
    """Compares by state block, never by name: a stack that is renamed keeps its stack states. Pure."""
    blocks = {state.block for state in config.states}
    taken = {state.state_block for state in there}
    wanted = [state for state in there if state.state_block in blocks or state.state_block == BY_HAND]
    unwanted = [state for state in there if state not in wanted]
    return Reconciliation(
        new=tuple(state for state in config.states if state.block not in taken),
        kept=tuple(state for state in wanted if state.status not in {"LOOSE", "DELETED"}),
        returned=tuple(state for state in wanted if state.status == "LOOSE"),
        loosened=tuple(state for state in unwanted if state.status in {"PENDING", "ACTIVE", "DESTROYING"}),
    )


def candidate_names(wanted: str, repository_slug: str, repository_id: UUID, repo_path: str) -> tuple[str, ...]:
    """Names to try for a stack state, in order: its own, qualified by the repository, qualified by the very folder."""
    folder = hashlib.sha256(f"{repository_id}/{repo_path}".encode()).hexdigest()[:6]
    return (wanted, _qualified(wanted, repository_slug), _qualified(wanted, f"{repository_slug}-{folder}"))


def code_slug(repository_slug: str, repository_id: UUID, repo_path: str) -> str:
    """The id of a stack code: repository and path in short, and a hash of both."""
    digest = hashlib.sha256(f"{repository_id}/{repo_path}".encode()).hexdigest()[:6]
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in repo_path.lower())
    path = "-".join(part for part in plain.split("-") if part) or "root"
    return f"{repository_slug[:32].strip('-')}--{path[:20].strip('-')}-{digest}"


def conditions(state: StackState, *, locked: bool) -> tuple[Condition, ...]:
    """What is remarkable about it now."""
    behind = state.status in {"PENDING", "ACTIVE"} and state.desired_commit != state.commit_hash
    holds = {
        Condition.LOCKED: locked,
        Condition.UPDATE_AVAILABLE: behind,
        Condition.LAST_RUN_FAILED: state.last_run_failed,
        Condition.HISTORY_MISMATCH: state.history_mismatch,
        Condition.ENGINE_SUSPENDED: state.engine_suspended,
    }
    return tuple(condition for condition, true in holds.items() if true)


def finding_to_json(finding: CodeFinding) -> dict[str, Any]:
    """As it is kept."""
    return asdict(finding)


def finding_from_json(data: Mapping[str, Any]) -> CodeFinding:
    """What `finding_to_json` made."""
    return CodeFinding(**data)


def _qualified(name: str, by: str) -> str:
    """Both, within 63 characters: the end of the qualifier holds its hash and so stays whole."""
    room = NAME_CHARACTERS - 1 - min(len(by), 30)
    return f"{name[:room].rstrip('-_')}-{by[-30:].lstrip('-')}"
