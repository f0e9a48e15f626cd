"""Walks a tree under limits and picks what may reach a worker. Blocking; call it in a thread."""

from __future__ import annotations

from dataclasses import dataclass, field

from stackly_server.git import allow, links
from stackly_server.git.model import Mode, TreeEntry, TreeFinding, TreeLimitError, TreeLimits
from stackly_server.git.objects import Objects

REFUSED_LIMIT = 100
"""A walk stops after so many refusals."""
WORDS_CHARACTERS = 200

_MODES = {int(mode): mode for mode in Mode} | {0o100664: Mode.FILE}


@dataclass(slots=True)
class Walk:
    """One walk under limits; nothing below a refused or left-out folder is looked at."""

    objects: Objects
    limits: TreeLimits
    entries: dict[str, TreeEntry] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    findings: list[TreeFinding] = field(default_factory=list)
    refused: list[TreeFinding] = field(default_factory=list)
    seen: int = 0
    total: int = 0

    def run(self, top: str) -> None:
        todo = [("", top, 1)]
        while todo and len(self.refused) < REFUSED_LIMIT:
            prefix, object_id, depth = todo.pop()
            if depth > self.limits.depth:
                raise TreeLimitError(f"{prefix}: deeper than {self.limits.depth} folders")
            todo += [(f"{path}/", oid, depth + 1) for path, oid in self._folder(prefix, object_id)]

    def _folder(self, prefix: str, object_id: str) -> list[tuple[str, str]]:
        """Takes a folder's files; the folders in it are answered."""
        names: dict[str, str] = {}
        below = []
        for raw, mode, oid in self.objects.entries(object_id):
            self._count(prefix, raw)
            name = self._name(prefix, raw, names)
            if name is None:
                continue
            if _MODES.get(mode) is Mode.FOLDER:
                self.folders.add(prefix + name)
                below.append((prefix + name, oid))
            else:
                self._file(prefix + name, mode, oid)
        return below

    def _count(self, prefix: str, raw: bytes) -> None:
        self.seen += 1
        if self.seen > self.limits.entries:
            raise TreeLimitError(f"more than {self.limits.entries} files and folders (at {prefix or 'the top'})")
        if len(prefix.encode()) + len(raw) > self.limits.path_bytes:
            raise TreeLimitError(
                f"a path below {prefix[:WORDS_CHARACTERS]} is longer than {self.limits.path_bytes} bytes"
            )

    def _name(self, prefix: str, raw: bytes, names: dict[str, str]) -> str | None:
        """The name if its entry may go on."""
        name = allow.decoded(raw)
        if name is None:
            self._refuse("name", prefix + repr(raw), "the name is not UTF-8")
            return None
        reason = allow.refusal(name)
        if reason is not None:
            self._refuse("name", prefix + name, reason)
            return None
        omitted = allow.left_out(name)
        if omitted is not None and omitted[0] == "git":
            return None
        if omitted is not None:
            self.findings.append(TreeFinding(omitted[0], prefix + name, omitted[1]))
            return None
        twin = names.get(allow.folded(name))
        if twin is not None:
            self._refuse("case", prefix + name, f"{prefix}{twin} differs from it by case or form alone, or not at all")
        names[allow.folded(name)] = name
        return name

    def _file(self, path: str, raw_mode: int, oid: str) -> None:
        mode = _MODES.get(raw_mode)
        if mode is None:
            self._refuse("mode", path, f"the mode {raw_mode:o} is none that git writes")
        elif mode is Mode.SUBMODULE:
            self.findings.append(TreeFinding("submodule", path, "submodules are not fetched: the folder stays empty"))
        else:
            size = self.objects.size(oid)
            self.total += size
            if self.total > self.limits.total_bytes:
                raise TreeLimitError(f"more than {self.limits.total_bytes} bytes of files (at {path})")
            self.entries[path] = TreeEntry(path, mode, oid, size)

    def check_links(self) -> None:
        """Drops links that lead to nothing; refuses those that lead out."""
        targets = {path: self._target(entry) for path, entry in self.entries.items() if entry.mode is Mode.LINK}
        files = frozenset(self.entries.keys() - targets.keys())
        for path in targets:
            try:
                links.resolve(path, targets, files, frozenset(self.folders))
            except links.LinkRefusedError as error:
                self._refuse("link", path, str(error))
            except links.LinkBrokenError as error:
                self.findings.append(TreeFinding("link", path, str(error)))
                del self.entries[path]

    def _target(self, entry: TreeEntry) -> str:
        """The link's target; one that is too long or no text is "", which no link may have."""
        if entry.size > links.TARGET_BYTES:
            return ""
        return allow.decoded(self.objects.content(entry.object_id, links.TARGET_BYTES)) or ""

    def _refuse(self, code: str, path: str, message: str) -> None:
        self.refused.append(TreeFinding(code, path, message))
