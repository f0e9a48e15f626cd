"""What an audit of the engine found, for people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Audit

_SAYS = {
    "CLEAN": ("clean: nothing that a run would skip has anything to do", "green"),
    "DRIFT": ("drift: the world, the state or a provider differs; the next run plans these units", "yellow"),
    "UNSOUND": ("UNSOUND: the engine was wrong. Everything is planned again, and the stack runs whole", "red"),
    "NOTHING": ("nothing could be audited", "yellow"),
}
_COLOURS = {"UNSOUND": "red", "DRIFT": "yellow"}


def audit_lines(audit: "Audit") -> Iterator[tuple[str, str | None]]:
    """Lines with their colours: the result, then each address, the worst first."""
    said, colour = _SAYS.get(audit.result.name or "", ("not known to this version", None))
    yield f"Audit {said}." if not audit.reason else f"Audit: {said}: {audit.reason}.", colour
    yield f"{audit.audited_units} units would be skipped by a run, and were audited.", None
    for one in audit.findings:
        word = one.verdict.name or ""
        yield f"  {word.lower():<9}{one.address}  ({one.unit}) {one.detail}".rstrip(), _COLOURS.get(word)
