"""What one batch is to do, as the control plane and this worker's settings say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stackly_worker.runner import limits
from stackly_worker.runner.options import EngineOptions

# Names in a batch's folder.
STARTED = "apply-started"
PLAN = "plan.bin"
VARIABLES = "variables.tfvars.json"


@dataclass(frozen=True)
class BatchSpec:
    """What one batch is to do. `plan_key` names one plan of one run (`run-42/1/b1`); plan and apply share it.

    `root` is the root module's folder in the tree, "." for the tree itself. `secrets` are texts that must never leave
    (sensitive variables, credentials); `environment` is the declared set, nothing else is inherited but PATH and LANG.
    `hash_key` is the stack's key for keyed hashes. `mode`: apply, destroy, refresh_only or audit.
    """

    plan_key: str
    root: str
    source_digest: str
    hash_key: bytes
    mode: str = "apply"
    replace: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    parallelism: int = 10
    grace: float = limits.STOP_GRACE
    renew_every: float = 5.0
    units: bool = False  # cut the root into units, if it can be
    keeps: bool = False  # a plan that has nothing to do is as good as an apply
    artifact: str = ""  # SHA-256 of what the run's code was resolved to before, beyond its commit
    options: EngineOptions = field(default_factory=EngineOptions)  # of a root that is cut
    costs: tuple[tuple[int, float], ...] = ()  # resources and seconds of batches of units of earlier runs
