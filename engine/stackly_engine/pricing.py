"""What a Terraform process costs: a fixed price, and one per resource that grows beyond about a hundred."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Price:
    """Seconds of plan, show and apply: `fixed` per process, `resource` each, twice that when a batch has `bend` of them."""

    fixed: float = 0.12
    resource: float = 0.006
    bend: float = 350.0

    def batch(self, resources: int) -> float:
        """One cut batch."""
        return self.fixed + self.resource * resources * (1 + resources / self.bend)

    def whole(self, resources: int, depth: float = 0.0) -> float:
        """One whole root; `depth` is 0 for units that need nothing of each other, 1 for a chain."""
        return self.fixed + self.resource * resources * (1 + depth * resources / self.bend)
