"""Where the development platform keeps its files, and the lock that keeps two supervisors apart."""

import fcntl
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stackly_server.dev.problems import PartFailed

_SOCKET_PATH_LIMIT = 100  # the kernel's is 107 with the final zero; a margin for the longest name below
NOBODY = 65534
_LONGEST_SOCKET = "/pg/.s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one installation. Everything lies below `root`, but sockets when that path is too long for them."""

    root: Path
    runtime: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def pids(self) -> Path:
        return self.root / "pids"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def data(self, part: str) -> Path:
        return self.root / part

    def socket_dir(self, part: str) -> Path:
        """A folder for unix sockets, made here: mode 0700, short enough for the kernel's limit."""
        return private_dir(self.runtime / part, NOBODY if os.geteuid() == 0 else None)


def open_home(root: Path) -> Home:
    """Make the folders (0700) and choose where sockets go; PartFailed when the place is not ours or cannot be made."""
    root = root.expanduser().absolute()
    try:
        home = Home(private_dir(root), _runtime(root))
        for folder in (home.logs, home.pids, home.secrets, home.cache):
            private_dir(folder)
    except OSError as error:
        raise PartFailed(
            "home", f"cannot use {root}: {error.strerror}", hint="set STACKLY_HOME to a folder of yours"
        ) from error
    return home


def lock_home(home: Home) -> IO[str]:
    """Hold the one lock of this home until the file is closed; PartFailed, naming the holder, when it is taken."""
    file = (home.root / "lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise PartFailed(
            "home", f"{home.root} is in use by process {holder}", hint="stop it, or set STACKLY_HOME to another folder"
        ) from error
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


def private_dir(path: Path, other_owner: int | None = None) -> Path:
    """Make a folder that only we can enter, or check that an existing one is ours and no link; narrows its mode.

    `other_owner` may own it too: uid 65534, to whom root gives what Postgres writes.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), other_owner):
        raise PartFailed("home", f"{path} is not a folder of ours (owner {found.st_uid})")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file by rename; at no moment can anyone else read it, or see half of it."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def _runtime(root: Path) -> Path:
    inside = root / "run"
    if len(os.fsencode(str(inside) + _LONGEST_SOCKET)) <= _SOCKET_PATH_LIMIT:
        return private_dir(inside)
    short = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()  # macOS: a private folder, but sometimes long
    for place in (Path(base), Path("/tmp")):  # noqa: S108  (private_dir refuses a folder or link of someone else)
        candidate = place / f"stackly-{os.geteuid()}-{short}"
        if place.is_dir() and len(os.fsencode(str(candidate) + _LONGEST_SOCKET)) <= _SOCKET_PATH_LIMIT:
            return private_dir(candidate)
    raise PartFailed(
        "home", f"no folder short enough for unix sockets near {root}", hint="set STACKLY_HOME to a shorter path"
    )
