"""What a stack file says, as it is kept for one commit: to and from JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from stackly_server.hcl.document import Plain, json_text
from stackly_server.stacks.engine_options import EngineOptions
from stackly_server.stacks.stackfile import StackFile, planned_states


@dataclass(frozen=True, slots=True)
class StateConfig:
    """One stack state that the file asks for. `block` is its state block, "" when the file has none.

    Labels, environment and variables are the stack's with the block's on top; variables are JSON texts by name.
    """

    block: str
    name: str
    environment: str
    labels: Mapping[str, str]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StackConfig:
    """A valid stack file. `shared` is what stack states get that people make; timeouts in seconds.

    `units`: whether its root is cut into units. What was kept before there was such a choice has none, and runs whole.
    `options` are those of the engine; of what was kept before there were any, the defaults.
    """

    stack: str
    version: str
    auto_deploy: bool
    policies: tuple[str, ...]
    engine: str
    constraint: str
    features: tuple[str, ...]
    required_labels: Mapping[str, str]
    plan_timeout_seconds: int
    apply_timeout_seconds: int
    shared: StateConfig
    states: tuple[StateConfig, ...]
    units: bool = False
    options: EngineOptions = field(default_factory=EngineOptions)

    def state(self, block: str) -> StateConfig:
        """What the file says of the stack states of a block; of one that is not there, what it says of all."""
        return next((state for state in self.states if state.block == block), self.shared)


def config_of(file: StackFile) -> StackConfig:
    """The file, ready to be kept."""
    blocks = [state.name for state in file.states] or [""]
    planned = zip(blocks, planned_states(file), strict=False)
    return StackConfig(
        stack=file.name,
        version=file.version,
        auto_deploy=file.auto_deploy,
        policies=file.policies,
        engine=file.engine.product,
        constraint=file.engine.constraint,
        features=file.requires.features,
        required_labels=dict(file.requires.labels),
        plan_timeout_seconds=file.timeouts.plan,
        apply_timeout_seconds=file.timeouts.apply,
        shared=StateConfig("", file.name, _environment(file), dict(file.labels), _texts(file.variables)),
        states=tuple(
            StateConfig(block, state.name, state.environment or "", dict(state.labels), _texts(state.variables))
            for block, state in planned
        ),
        units=file.units,
        options=file.options,
    )


def config_to_json(config: StackConfig) -> dict[str, Any]:
    """Plain JSON; numbers of variables stand inside of texts, so that no digit is lost."""
    return asdict(config)


def config_from_json(data: Mapping[str, Any]) -> StackConfig:
    """What `config_to_json` made."""
    return StackConfig(
        **{
            **data,
            "policies": tuple(data["policies"]),
            "features": tuple(data["features"]),
            "shared": StateConfig(**data["shared"]),
            "states": tuple(StateConfig(**state) for state in data["states"]),
            "options": EngineOptions(**data.get("options", {})),
        }
    )


def _environment(file: StackFile) -> str:
    guess = file.variables.get("environment")
    return file.environment or (guess if isinstance(guess, str) else "")


def _texts(variables: Mapping[str, Plain]) -> dict[str, str]:
    return {name: json_text(value) for name, value in variables.items()}
