"""What a Terraform process costs: a fixed price, and one per resource that grows beyond about a hundred."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median


@dataclass(frozen=True, slots=True)
class Price:
    """Seconds of plan, show and apply: `fixed` per process, `resource` each, twice that when a batch has `bend` of them.

    It bends since Terraform writes the whole state at each resource. A batch that reads what another one changes is
    planned a second time, with real values, which adds the share `again`. The defaults are those of the builtin provider
    on 2 cores (docs/engine.md, "What it costs"). A stack's own are measured from its runs (`measured`).
    """

    fixed: float = 0.12
    resource: float = 0.006
    bend: float = 350.0
    again: float = 0.5

    @property
    def cheapest(self) -> float:
        """The size of a batch at which a resource costs least; infinite when resources cost nothing."""
        return math.sqrt(self.fixed * self.bend / self.resource) if self.resource else math.inf

    def batch(self, resources: int, *, changing: int | None = None, waits: bool = False) -> float:
        """One batch, be it the whole root, of which so many resources change (None: all).

        `waits` says that it reads of another batch of the same run.
        """
        writes = resources if changing is None else changing
        once = self.fixed + self.resource * resources * (1 + writes / self.bend)
        return once * (1 + self.again) if waits else once


# What a process costs before it does anything, by provider; the dearest of a stack counts until its runs were measured.
# aws: plan 8 to 10 s, show 2 s, apply 5 to 8 s of CPU with hashicorp/aws 5.100 and one resource (engine.md §6).
_FIXED = {"hashicorp/aws": 15.0, "hashicorp/azurerm": 6.0, "hashicorp/google": 6.0, "hashicorp/google-beta": 6.0}
_PLUGIN = Price(0.9, 0.01, 600.0)
_CLOUD_RESOURCE, _CLOUD_BEND = 0.02, 1200.0
_BUILTIN = "terraform.io/builtin/terraform"
_LEAST = 0.02  # seconds: no process starts and ends in less


def assumed(providers: Iterable[str]) -> Price:
    """The price of a stack that has not run yet, by its provider addresses."""
    foreign = [address for address in providers if address != _BUILTIN]
    known = [_FIXED[name] for address in foreign if (name := address.split("/", 1)[-1]) in _FIXED]
    if known:
        return Price(max(known), _CLOUD_RESOURCE, _CLOUD_BEND)
    return _PLUGIN if foreign else Price()


def measured(runs: Iterable[tuple[int, float]], before: Price) -> Price:
    """The price that past batches (resources, seconds) tell; what cannot be told from them is kept from `before`.

    The line through the medians (Theil and Sen): a batch that was slow for a reason of its own moves nothing. The price
    of a resource stays within a hundredth and a hundred times of what it was, or a few odd runs would make resources free.
    """
    points = [(resources * (1 + resources / before.bend), seconds) for resources, seconds in runs]
    if not points:
        return before
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x1 != x2]
    slope = min(max(median(slopes), before.resource / 100), before.resource * 100) if slopes else before.resource
    return replace(before, fixed=max(_LEAST, median(y - slope * x for x, y in points)), resource=slope)
