"""What passes between the steps of taking up a push, and what a tree asks of the stack codes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stackly_server.git.model import StackRoot


@dataclass(frozen=True, slots=True)
class PushRef:
    """A delivery in the inbox."""

    account_id: str
    inbox_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """One stack that a tree adds or changes (`file_id` is its stack file), or no longer holds (`file_id` is "").

    `seen` is the version of the stack code that this was decided on, 0 for none.
    """

    path: str
    file_id: str
    digest: str
    seen: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What the head of a branch asks for. `outcome` is set when there is nothing to do, and says why."""

    head: str = ""
    changes: list[Change] = field(default_factory=list)
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class ChangeAt:
    """A change to take up for a delivery, at a commit."""

    push: PushRef
    head: str
    change: Change


@dataclass(frozen=True, slots=True)
class RunFor:
    """A run to make for a delivery."""

    push: PushRef
    stack_state_id: str
    commit: str
    auto_apply: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a change; `stale` when somebody changed the stack code meanwhile: scan again."""

    stale: bool = False
    runs: list[RunFor] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Handled:
    """The end of a delivery."""

    push: PushRef
    outcome: str


@dataclass(frozen=True, slots=True)
class Known:
    """A stack code as far as the decision needs it. `live`: not de-registered."""

    ref: str
    digest: str
    version: int
    live: bool


def decide(roots: Sequence[StackRoot], codes: Mapping[str, Known], ref: str, *, adopt: bool) -> list[Change]:
    """What a branch's tree asks for, by path, those that are gone first. `adopt`: stacks without a code are taken in.

    A stack whose code follows another branch is left alone. A digest that is not known ("") is another.
    """
    there = {root.path: root for root in roots}
    gone = [
        Change(path, "", "", code.version)
        for path, code in sorted(codes.items())
        if code.live and code.ref == ref and path not in there
    ]
    return gone + [
        Change(path, root.file_id, root.digest, codes[path].version if path in codes else 0)
        for path, root in sorted(there.items())
        if _changed(codes.get(path), root, ref, adopt=adopt)
    ]


def _changed(code: Known | None, root: StackRoot, ref: str, *, adopt: bool) -> bool:
    if code is None or not code.live:
        return adopt
    return code.ref == ref and code.digest != root.digest
