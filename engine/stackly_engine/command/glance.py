"""The quickest answer: every byte that decides what runs is as it was when all units were skipped. Nothing is parsed or started.

Light on purpose: it is over before the rest of the engine would be loaded.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from stackly_engine.command import executable
from stackly_engine.command.folders import Folders
from stackly_engine.command.places import OF_THE_TERMINAL, OWN, engine, read, stamps, state_of, workspace_of

NO_MODULES = b'{"Modules":[{"Key":"","Source":"","Dir":"."}]}'
_SALT = 16  # bytes
_UNUSED = ("TF_CLI_ARGS", "TF_INPUT", "TF_WORKSPACE")  # the last one is in what the workspace is


class Glance:
    """A root as it was when it was first looked at.

    `items` are `--var` and `--var-file` as given; `version` is that of the program that would run.
    """

    def __init__(
        self, root: str, version: executable.Version | None, items: Sequence[tuple[str, str]], outer: Mapping[str, str]
    ) -> None:
        self.folders = Folders(root)
        self._root, self._version, self._items, self._outer = root, version, items, outer
        self._mark = settled(root)

    def skipped(self) -> int | None:
        """How many units are skipped; None: look closer. It is that too while another command works on the root."""
        self.seen  # noqa: B018 - before anything else is read: a later change must not get into the mark
        try:
            salt, key, units = json.loads(read(self._mark))
            kept = bytes.fromhex(salt)
        except (ValueError, TypeError):
            return None
        return int(units) if key == self._key(kept, self._version) and _quiet(f"{self._root}/{OWN}/lock") else None

    @cached_property
    def seen(self) -> bytes:
        """A digest of everything that decides what runs; nothing where something cannot be read: others tell what."""
        digest = hashlib.sha256()
        try:
            for part in self._parts():
                data = part if isinstance(part, bytes) else repr(part).encode()
                digest.update(b"%d\0" % len(data) + data)
        except (ValueError, LookupError, TypeError, OSError):
            return b""
        return digest.digest()

    def leave(self, units: int, version: executable.Version) -> None:
        """Leave the mark that all units are skipped as things were when `seen` was first asked for.

        When everything of our own is written. What changed since then is not in the mark, and so will be seen.
        """
        salt = os.urandom(_SALT)
        if key := self._key(salt, version):
            with open(f"{self._mark}.new", "w", opener=_private) as file:
                file.write(json.dumps([salt.hex(), key, units]))
            os.replace(f"{self._mark}.new", self._mark)  # noqa: PTH105

    def _key(self, salt: bytes, version: executable.Version | None) -> str:
        """Keyed: values of variables are among what was seen."""
        written = repr((version, _written(f"{self._root}/{OWN}"))).encode()
        return hashlib.blake2b(self.seen + written, key=salt).hexdigest() if self.seen else ""

    def _parts(self) -> Iterator[object]:
        root, env = self._root, self._outer
        workspace = workspace_of(root, env.get("TF_WORKSPACE", ""))
        seen = {
            name: value for name, value in env.items() if name not in OF_THE_TERMINAL and not name.startswith(_UNUSED)
        }
        yield root, workspace, sorted(seen.items()), os.path.isdir(f"{root}/.terraform")  # noqa: PTH112
        yield self._items
        for kind, value in self._items:
            if kind != "var":
                yield os.path.abspath(value), read(value)  # noqa: PTH100
        yield engine()
        yield list(stamps(f"{root}/.terraform/providers"))
        yield hashlib.sha256(read(state_of(root, workspace))).digest()
        modules = read(f"{root}/.terraform/modules/modules.json") or NO_MODULES
        directories = {str(call["Dir"]) for call in json.loads(modules)["Modules"]}
        yield self.folders.digest(directories, modules, read(f"{root}/.terraform.lock.hcl"))


def settled(root: str) -> str:
    """The file of the mark."""
    return f"{root}/{OWN}/settled"


def _written(own: str) -> list[tuple[int, ...]]:
    """What is moved by any writing to what was remembered, by an apply that was begun above all."""
    found = (os.stat(f"{own}/{name}") for name in ("engine.db", "engine.db-wal") if os.path.exists(f"{own}/{name}"))  # noqa: PTH110, PTH116
    return [(at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for at in found]


def _quiet(lock: str) -> bool:
    """Whether nobody works on the root."""
    with open(lock, "a") as file:  # noqa: PTH123
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def nothing(skipped: int, *, as_json: bool) -> str:
    """Every byte is as it was when all units were skipped."""
    if as_json:
        return (
            json.dumps({"units": {}, "skipped": skipped, "batches": [], "errors": [], "together": []}, indent=2) + "\n"
        )
    return f"nothing changed; {skipped} units skipped\n"
