"""As whom Postgres runs: it refuses root, so root hides behind uid 65534, by a user namespace where there is one."""

import os
import stat
import subprocess
from functools import cache
from pathlib import Path

from stackly_server.dev.home import NOBODY, Home
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.process import Command, Identity


@cache
def postgres_identity() -> Identity:
    """Ours when we are not root; else a user namespace; else (some containers) really uid 65534."""
    if os.geteuid() != 0:
        return Identity.OURS
    return Identity.USER_NAMESPACE if _user_namespaces_work() else Identity.NOBODY


def nobody_can_reach(path: Path) -> bool:
    """Whether uid 65534 may enter every folder down to `path`."""
    return all(stat.S_IMODE(folder.stat().st_mode) & 0o001 for folder in (path, *path.parents))


def give_to_nobody(home: Home, *folders: Path) -> None:
    """Let uid 65534 own the folders and pass through (not list) the home above; PartFailed when it cannot get there.

    Done at each start: opening the home makes it private again.
    """
    for folder in (home.root, home.runtime):
        folder.chmod(0o711)
        if not nobody_can_reach(folder):
            raise PartFailed(
                "postgres",
                f"user {NOBODY} cannot enter {folder}, and this system has no user namespaces",
                hint="run as an ordinary user, or set STACKLY_HOME to a folder below one that everybody may enter",
            )
    for folder in folders:
        os.chown(folder, NOBODY, NOBODY)


def _user_namespaces_work() -> bool:
    tried = subprocess.run(
        Command(("/bin/true",), identity=Identity.USER_NAMESPACE).shimmed(), env={}, capture_output=True, check=False
    )
    return tried.returncode == 0
