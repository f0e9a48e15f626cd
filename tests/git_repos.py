"""Repositories made by the real git program, hostile ones by raw objects."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ann Author",
    "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_AUTHOR_DATE": "1700000000 +0200",
    "GIT_COMMITTER_NAME": "Ann Author",
    "GIT_COMMITTER_EMAIL": "ann@example.com",
    "GIT_COMMITTER_DATE": "1700000100 +0000",
    "HOME": os.devnull,
    "LC_ALL": "C",
}

Entry = tuple[str, bytes, str]
"""Mode in octal, raw name, object id."""


class Repo:
    """A bare repository to write into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--bare", "--initial-branch=main", cwd=folder.parent, last=str(folder))

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def git(self, *arguments: str, data: bytes = b"", cwd: Path | None = None, last: str | None = None) -> str:
        command = ["git", *arguments, *([last] if last else [])]
        environment = {**_ENVIRONMENT, "PATH": os.environ["PATH"]}
        answer = subprocess.run(
            command, input=data, capture_output=True, cwd=cwd or self.folder, env=environment, check=False
        )
        assert answer.returncode == 0, answer.stderr.decode()
        return answer.stdout.decode().strip()

    def blob(self, content: bytes = b"") -> str:
        return self.git("hash-object", "-w", "--stdin", data=content)

    def tree(self, entries: Sequence[Entry]) -> str:
        """A tree as given: no check of names, order or modes."""
        raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
        return self.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=raw)

    def files(self, files: Mapping[str, bytes | tuple[str, bytes]]) -> str:
        """A tree of paths; a value (mode, content) for links and executables."""
        here: list[Entry] = []
        below: dict[str, dict[str, bytes | tuple[str, bytes]]] = {}
        for path, value in files.items():
            folder, slash, rest = path.partition("/")
            if slash:
                below.setdefault(folder, {})[rest] = value
            else:
                mode, content = value if isinstance(value, tuple) else ("100644", value)
                here.append((mode, path.encode(), self.blob(content)))
        here += [("40000", name.encode(), self.files(inner)) for name, inner in below.items()]
        return self.tree(sorted(here, key=lambda entry: entry[1] + (b"/" if entry[0] == "40000" else b"")))

    def commit(self, tree: str, *parents: str, message: str = "a change", branch: str = "main") -> str:
        named = [word for parent in parents for word in ("-p", parent)]
        commit = self.git("commit-tree", tree, *named, "-m", message)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit
