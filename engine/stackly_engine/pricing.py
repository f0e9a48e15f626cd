"""What a Terraform process costs: a fixed price, and one per resource that grows beyond about a hundred."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Price:
    """Seconds of plan, show and apply: `fixed` per process, `resource` each, twice that when a batch has `bend` of them.

    The defaults are those of the builtin provider on 2 cores; they give the measured table of engine.md §12 back within
    a quarter. A stack's own are measured from its runs (`measured`).
    """

    fixed: float = 0.12
    resource: float = 0.006
    bend: float = 350.0

    @property
    def cheapest(self) -> float:
        """The size of a batch at which a resource costs least; infinite when resources cost nothing."""
        return math.sqrt(self.fixed * self.bend / self.resource) if self.resource else math.inf

    def batch(self, resources: int) -> float:
        """One cut batch."""
        return self.fixed + self.resource * resources * (1 + resources / self.bend)

    def whole(self, resources: int, depth: float = 0.0) -> float:
        """One whole root; `depth` is 0 for units that need nothing of each other, 1 for a chain."""
        return self.fixed + self.resource * resources * (1 + depth * resources / self.bend)


# What a process costs before it does anything, by provider; the dearest of a stack counts until its runs were measured.
# aws: plan 8 to 10 s, show 2 s, apply 5 to 8 s of CPU with hashicorp/aws 5.100 and one resource (engine.md §6).
_FIXED = {"hashicorp/aws": 15.0, "hashicorp/azurerm": 6.0, "hashicorp/google": 6.0, "hashicorp/google-beta": 6.0}
_PLUGIN = Price(0.9, 0.01, 600.0)
_CLOUD_RESOURCE, _CLOUD_BEND = 0.02, 1200.0
_BUILTIN = "terraform.io/builtin/terraform"


def assumed(providers: Iterable[str]) -> Price:
    """The price of a stack that has not run yet, by its provider addresses."""
    foreign = [address for address in providers if address != _BUILTIN]
    known = [_FIXED[name] for address in foreign if (name := address.split("/", 1)[-1]) in _FIXED]
    if known:
        return Price(max(known), _CLOUD_RESOURCE, _CLOUD_BEND)
    return _PLUGIN if foreign else Price()


def measured(runs: Iterable[tuple[int, float]], before: Price) -> Price:
    """The price that past batches (resources, seconds) tell; what cannot be told from them is kept from `before`.

    Least squares: few points of a line; the bend stays as it was.
    """
    points = [(resources * (1 + resources / before.bend), seconds) for resources, seconds in runs]
    if not points:
        return before
    middle = sum(x for x, _ in points) / len(points)
    height = sum(y for _, y in points) / len(points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    if spread == 0:
        return Price(max(0.0, height - before.resource * middle), before.resource, before.bend)
    slope = max(0.0, sum((x - middle) * (y - height) for x, y in points) / spread)
    return Price(max(0.0, height - slope * middle), slope, before.bend)
