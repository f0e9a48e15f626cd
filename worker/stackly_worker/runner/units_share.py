"""What lies beside each batch that is being applied, for whoever comes back after a crash: its share of the state."""

from collections.abc import Mapping, Sequence
from typing import Any

from stackly_engine import exact, slices
from stackly_engine.addresses import top
from stackly_engine.dependencies import Dependencies
from stackly_engine.driving import state
from stackly_engine.driving.ports import Share


def pack(share: Share, dependencies: Dependencies) -> bytes:
    """The share, and what Terraform would record as dependencies of its resources: a cut root cannot know them."""
    own = {address: names for address, names in dependencies.of.items() if top(address) in share.tops}
    return exact.dumps({
        "tops": sorted(share.tops), "outputs": share.outputs, "prefix": share.prefix,
        "copied": sorted(share.copied), "of": own,
        "before_destroy": sorted(dependencies.before_destroy & own.keys()),
        "literal": sorted(dependencies.literal_before_destroy & own.keys()),
    })  # fmt: skip


def dependencies_of(share: bytes) -> Dependencies:
    """What a packed share says of them."""
    about = exact.loads(share)
    of = {address: tuple(names) for address, names in about["of"].items()}
    return Dependencies(of, frozenset(about["before_destroy"]), frozenset(about["literal"]))


def take_in(
    document: Mapping[str, Any], batches: Sequence[tuple[bytes, bytes]]
) -> tuple[dict[str, Any], frozenset[str]]:
    """The whole document with what batches left, each a share and a document; and the top-level addresses of their shares.

    FormatError when one is not its own, KeyError for a strange share.
    """
    shares: list[tuple[Share, Mapping[str, Any]]] = []
    of: dict[str, tuple[str, ...]] = {}
    before, literal = set[str](), set[str]()
    for share, left in batches:
        about = exact.loads(share)
        mine = Share(
            frozenset(about["tops"]), bool(about["outputs"]), str(about["prefix"]), frozenset(about["copied"])
        )  # fmt: skip
        shares.append((mine, slices.parse(left)))
        of |= {address: tuple(names) for address, names in about["of"].items()}
        before |= set(about["before_destroy"])
        literal |= set(about["literal"])
    if not shares:
        return dict(document), frozenset()
    known = Dependencies(of, frozenset(before), frozenset(literal))
    return state.settled(state.all_merged(document, shares), known), frozenset().union(*(one.tops for one, _ in shares))
