"""Random roots through random edits, as Hypothesis strategies: what fails is shrunk when it is asked for."""

from functools import cache

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st

from oracle.edits import edits
from oracle.roots import Files, Sizes, root

SMALL = Sizes(modules=3, items=6, inner=2, depth=2)
STEPS = 3


@st.composite
def histories(draw: st.DrawFn, sizes: Sizes = SMALL, steps: int = STEPS) -> tuple[Files, ...]:
    """A root, and what it is after each of so many edits. Every choice in it is drawn, so that it can be shrunk."""
    random = draw(st.randoms(use_true_random=False))
    files = root(random, sizes)
    return (files, *edits(random, files, steps))


@cache
def plainest() -> tuple[Files, ...]:
    """The history with which Hypothesis begins every time, whatever the seed."""
    quiet = settings(
        max_examples=1, phases=(Phase.generate,), database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    return find(histories(), lambda _: True, settings=quiet)
