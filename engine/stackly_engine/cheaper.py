"""When one plan of the whole root costs less than finding out which of its units to plan."""

from stackly_engine.configuration import Configuration
from stackly_engine.reasons import CHEAPER
from stackly_engine.source import REAL, Kind, Whole

FEW = 3  # resources and data sources; each is a unit
_BUILTIN = "terraform_"


def cheaper(configuration: Configuration) -> tuple[Whole, ...]:
    """Why the root is better run whole, though it can be cut; empty when it is not.

    So it is for a few resources of Terraform's own provider: no plugin has to start, and Terraform is through with all of
    them in less time than it takes to read records and to apply by units (docs/bench.md). Where a plugin has to start,
    skipping it is worth more than that.
    """
    real = [node for node in configuration.root.nodes.values() if node.kind in REAL]
    if len(real) > FEW or any(node.kind is Kind.MODULE or not _builtin(node.block.labels[0]) for node in real):
        return ()
    return (Whole(CHEAPER, "a few resources that need no provider"),)


def _builtin(type_: str) -> bool:
    return type_.startswith(_BUILTIN)
