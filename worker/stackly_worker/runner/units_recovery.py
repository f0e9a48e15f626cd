"""What is left of an apply in units whose runner died: the states of all its batches as one document; nothing is changed."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from stackly_engine import deltas, exact, slices
from stackly_engine.deltas import Delta
from stackly_worker.runner import events, units_share, unwritten
from stackly_worker.runner.journal import Journal
from stackly_worker.runner.place import Place
from stackly_worker.runner.statewatch import StateVersion, later, newest, read_whole, whole
from stackly_worker.runner.units_folder import OUTLINED, SHARE, SUSPECTS, UNITS, WHOLE, UnitFolder, asides

_STEPS = ("plan", "show", "apply")
APPLY = "apply"


def cut(folder: Path) -> bool:
    """Whether the apply of this folder was one in units."""
    return (folder / UNITS / WHOLE).exists()


def journals(folder: Path) -> list[Journal]:
    """Of every Terraform that the run may have started for a batch of units."""
    return [Journal(aside / step) for aside in asides(folder) for step in _STEPS]


def applies(folder: Path) -> list[Journal]:
    """Of those that were started to change something."""
    found = (Journal(aside / APPLY) for aside in asides(folder))
    return [journal for journal in found if journal.begun]


def code(found: list[Journal]) -> int | None:
    """0 when all ended well, the first other exit code, None when one is not known."""
    codes = [journal.rc() for journal in found]
    return None if None in codes else next((one for one in codes if one), 0)


def state(folder: Path, place: Place, serial: int) -> StateVersion | None:
    """The whole document with what each batch left; its serial is above all that the control plane ever had.

    `serial` is that of the control plane's. What does not fit into the whole is not in it: `strays` has it. None when only
    slices of the state were here: `delta` has them.
    """
    if (folder / UNITS / OUTLINED).exists():
        return None
    document, _ = _put_together(folder)
    lineage = str(document["lineage"])
    known = (read_whole(path) for path in (place.state, place.kept, *place.state.parent.glob("unsent-*.tfstate")))
    offered = [version.serial for version in known if version is not None and version.lineage == lineage]
    return whole(slices.document_bytes({**document, "serial": max(serial, int(document["serial"]), *offered, 0) + 1}))


def delta(folder: Path, serial: int) -> Delta:
    """What each batch left as slices on top of the control plane's state, whose serial is `serial`.

    Every slice that a batch may have written is in it: what the dead runner had sent of it before is older.
    """
    before = slices.parse((folder / UNITS / WHOLE).read_bytes())
    after, tops = _put_together(folder)
    found = deltas.between(serial, before, after)
    written = deltas.of_units(after, {deltas.unit_of_top(top) for top in tops})
    return Delta(serial, found.lineage, {**found.slices, **written}, slices.head_of(after))


def strays(folder: Path) -> list[StateVersion]:
    """States of batches that do not fit into the whole."""
    document = slices.parse((folder / UNITS / WHOLE).read_bytes())
    found = []
    for share, left in _left_by_all(folder):
        try:
            units_share.take_in(document, [(share, left.document)])
        except exact.FormatError:
            found.append(left)
    return found


def _put_together(folder: Path) -> tuple[dict[str, Any], frozenset[str]]:
    """The whole document with all that fits into it, and the top-level addresses that batches may have written."""
    document = slices.parse((folder / UNITS / WHOLE).read_bytes())
    batches = [(share, left.document) for share, left in _left_by_all(folder)]
    try:
        return units_share.take_in(document, batches)
    except exact.FormatError:
        tops = frozenset[str]()
    for one in batches:
        with contextlib.suppress(exact.FormatError):
            document, own = units_share.take_in(document, [one])
            tops |= own
    return document, tops


def suspects(folder: Path) -> dict[str, str]:
    """Address → action, of all batches."""
    found: dict[str, str] = {}
    for aside in asides(folder):
        journal = Journal(aside / APPLY)
        if journal.begun:
            found |= _noted(aside) if (aside / SUSPECTS).exists() else _suspects(aside, journal)
    return found


def failures(folder: Path) -> tuple[dict[str, str], tuple[events.TerraformError, ...]]:
    """What failed cleanly, and Terraform's errors (not redacted), of all batches."""
    said = [_said(journal) for journal in applies(folder)]
    failed = {address: action for one in said for address, action in one.failed.items()}
    return failed, tuple(error for one in said for error in one.errors)


def _left_by_all(folder: Path) -> Iterator[tuple[bytes, StateVersion]]:
    """Batches that were announced: the share of each, and the state it left."""
    for aside in asides(folder):
        if (aside / SHARE).exists() and (left := _left(aside)) is not None:
            yield (aside / SHARE).read_bytes(), left


def _left(aside: Path) -> StateVersion | None:
    paths = UnitFolder(aside, aside)
    said = _said(Journal(aside / APPLY))
    return later(newest((paths.errored, paths.state, paths.kept)), whole(said.dump) if said.dump else None)


def _suspects(aside: Path, journal: Journal) -> dict[str, str]:
    said, left = _said(journal), _left(aside)
    if journal.rc() == 0 or left is None:
        return dict(said.suspects)
    prior = unwritten.prior_state(UnitFolder(aside, aside).plan_file)
    return unwritten.unwritten(said.done, left.document, prior) | said.suspects


def _noted(aside: Path) -> Mapping[str, str]:
    noted: dict[str, str] = json.loads((aside / SUSPECTS).read_bytes())
    return noted


def _said(journal: Journal) -> events.Events:
    if not journal.out.exists():
        return events.Events()
    with journal.out.open("rb") as lines:
        return events.read(lines)


def keep_strays(folder: Path, place: Place) -> None:
    """What cannot be handed in as a whole document lies where unsent states lie, for people."""
    for left in strays(folder):
        path = place.state.with_name(f"stray-{sha256(left.document).hexdigest()[:16]}.tfstate")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(left.document)
