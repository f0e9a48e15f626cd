"""The state file that this command wrote last, and what it knew of it: what nobody has touched is not worked out again."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackly_engine import exact, slices
from stackly_engine.command import statefile
from stackly_engine.command.places import OWN, engine, read
from stackly_engine.command.workspace import write_secret

_FORM = 1


class Standing:
    """The state document of one run: read once, written often.

    `digests` are those of its slices and `settled_by` what its dependencies came from (driving.known); both are empty
    unless the file is, to the byte, what this very engine wrote last.
    """

    def __init__(self, path: Path, root: Path, version: str) -> None:
        data = read(str(path))
        self._path, self._note = path, root / OWN / "state"
        self.document = statefile.load(path, version, data=data)
        self._of = hashlib.sha256(data).hexdigest() if data else ""
        self._lines: dict[int, tuple[Any, bytes]] = {}  # by identity of a resource, which is held so that it stays
        self.digests, self.settled_by = self._noted()
        if self.digests:
            self._lines = _by_identity(self.document, slices.lines_of(data))

    def keep(self, document: Mapping[str, Any]) -> None:
        """Write the state; of resources that are the same objects as before the bytes are known."""
        resources = document.get("resources") or []
        known = (self._lines.get(id(resource)) for resource in resources)
        lines = [
            found[1] if found is not None else exact.dumps(one) for found, one in zip(known, resources, strict=True)
        ]
        data = slices.document_of(document, lines)
        statefile.keep(self._path, data)
        self._lines = _by_identity(document, lines)
        self._of = hashlib.sha256(data).hexdigest()

    def note(self, digests: Mapping[str, str], settled_by: str) -> None:
        """Write down what is known of the file that was kept last. When nobody can, the next run works it out."""
        if self._lines:
            write_secret(self._note, exact.dumps([_FORM, engine(), self._of, dict(digests), settled_by]))

    def _noted(self) -> tuple[dict[str, str], str]:
        try:
            form, by, of, digests, settled_by = exact.loads(read(str(self._note)))
            if (form, by, of) == (_FORM, engine(), self._of):
                return {str(top): str(digest) for top, digest in digests.items()}, str(settled_by)
        except (ValueError, TypeError, AttributeError):
            pass  # none, or one of another form
        return {}, ""


def _by_identity(document: Mapping[str, Any], lines: list[bytes]) -> dict[int, tuple[Any, bytes]]:
    return {
        id(resource): (resource, line) for resource, line in zip(document.get("resources") or [], lines, strict=True)
    }
