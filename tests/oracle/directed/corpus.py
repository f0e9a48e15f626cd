"""All directed cases, and those few that every test run holds."""

from oracle.cases import Case
from oracle.directed import edges, forms, moves, orders, own_providers, providers, reads, troubles, values

MODULES = (edges, values, reads, orders, moves, providers, own_providers, forms, troubles)
CORPUS: dict[str, Case] = {one.name: one for module in MODULES for one in module.CASES}
QUICK = (
    "chain of modules", "circle of modules", "sensitive in parts", "known and unknown", "count of an unknown",
    "28 combinations, first: y", "a former user of what is created before it is destroyed", "a module renamed",
    "aliases through modules", "data sources that wait", "bytes of all kinds", "half of a module fails",
)  # fmt: skip
