"""What lies beside each batch that is being applied, for whoever comes back after a crash: its share of the state."""

from collections.abc import Mapping
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


def take_in(document: Mapping[str, Any], share: bytes, left: bytes) -> dict[str, Any]:
    """The whole document with what a batch left; FormatError when it is not its own, KeyError for a strange share."""
    about = exact.loads(share)
    mine = Share(
        frozenset(about["tops"]), bool(about["outputs"]), str(about["prefix"]), frozenset(about["copied"])
    )  # fmt: skip
    known = Dependencies(
        {address: tuple(names) for address, names in about["of"].items()},
        frozenset(about["before_destroy"]), frozenset(about["literal"]),
    )  # fmt: skip
    return state.settled(state.merged(document, mine, slices.parse(left)), known)
