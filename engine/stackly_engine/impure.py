"""What a fingerprint cannot see: expressions and resources that act by the clock or by chance, and the real world."""

from stackly_engine.graph import Graph


def impurities(graph: Graph, unit: str) -> tuple[str, ...]:
    """Why a unit must always run: "timestamp()", "time_rotating.week" …, sorted; empty for a pure one."""
    raise NotImplementedError


def worldly(graph: Graph, unit: str) -> tuple[str, ...]:
    """Its data sources that read the real world: neither pure functions of their input nor of the identity; sorted."""
    raise NotImplementedError


def shared(graph: Graph) -> tuple[frozenset[str], ...]:
    """Units that must run together, for they read one impure expression of the root (`local.id = uuid()`)."""
    raise NotImplementedError
