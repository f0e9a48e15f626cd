"""Which engine of this worker suits a requirement such as `terraform ~> 1.11`; pure."""

from collections.abc import Sequence

from stackly_engine.constraints import BadVersionError, Constraint, Version
from stackly_worker.runner.terraform import Engine


class RequirementError(ValueError):
    """The requirement cannot be read, or no engine here fulfils it."""


def choose(requirement: str, engines: Sequence[Engine]) -> Engine:
    """The engine of the wanted product that fulfils every clause of the constraint; RequirementError without one.

    Of several the newest, and a pre-release only when no release fits. Without a constraint the first: engines come in
    the order in which this worker prefers them, and what one machine has beside must not change what a stack runs on.
    """
    product, _, text = requirement.strip().partition(" ")
    own = [engine for engine in engines if engine.product == (product or "terraform")]
    try:
        constraint = Constraint.parse(text)
    except BadVersionError as error:
        raise RequirementError(f"`{requirement}`: {error}") from None
    fitting = [engine for engine in own if constraint.admits(_version(engine))]
    if not fitting:
        there = ", ".join(sorted(engine.name for engine in own)) or "none of it"
        raise RequirementError(f"no engine here fulfils `{requirement}`; this worker has {there}")
    return max(fitting, key=lambda engine: (not _version(engine).pre_release, _version(engine))) if text else fitting[0]


def _version(engine: Engine) -> Version:
    return Version.parse(engine.version)
