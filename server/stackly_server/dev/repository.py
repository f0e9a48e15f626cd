"""The development repository: a local bare repository that holds the examples, and whose pushes reach the server."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from stackly_server.dev import hook
from stackly_server.dev.home import Home
from stackly_server.dev.problems import PartFailed

FULL_NAME = "dev/examples"
EXTERNAL_ID = "1"
BRANCH = "main"
_SECONDS = 60


class DevRepository:
    """The bare repository under the home, and the settings of its hook."""

    def __init__(self, home: Home) -> None:
        self.folder = home.data("repositories")
        self.bare = self.folder / "examples.git"

    @property
    def clone_url(self) -> str:
        """Where the server clones it from."""
        return f"file://{self.bare}"

    @property
    def connected(self) -> bool:
        """Whether its hook knows where to send to."""
        return (self.bare / "stackly-hook.json").exists()

    def make(self) -> None:
        """Makes the bare repository, once."""
        if not (self.bare / "HEAD").exists():
            _git(self.folder, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(self.bare))

    def connect(self, url: str, ca_file: Path, secret: str) -> None:
        """Installs the hook: from now on each push is delivered."""
        settings = {
            "url": url,
            "ca_file": str(ca_file),
            "secret": secret,
            "repository_id": EXTERNAL_ID,
            "full_name": FULL_NAME,
            "spool": str(self.bare / "stackly-spool"),
        }
        file = self.bare / "stackly-hook.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(settings))
        script = self.bare / "hooks" / "post-receive"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{hook.__file__}" "{file}"\n')
        script.chmod(0o700)

    def head(self) -> str:
        """The commit that the branch is at; empty before the first push."""
        return _git(self.bare, "for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}").strip()

    def deliver(self) -> int:
        """Sends what earlier pushes left, and gives how many deliveries are still left."""
        return hook.send_all(self._settings())

    def push(self, source: Path, message: str) -> str:
        """Pushes a folder's content as the whole tree of the branch, with real git; gives the commit.

        Nothing is committed when the tree is as it was; the push is then repeated and changes nothing.
        """
        with tempfile.TemporaryDirectory(prefix="stackly-push-") as scratch:
            tree = Path(scratch) / "examples"
            _git(Path(scratch), "clone", "--quiet", str(self.bare), str(tree))
            for old in tree.iterdir():
                if old.name != ".git":
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
            shutil.copytree(source, tree, dirs_exist_ok=True)
            _git(tree, "checkout", "--quiet", "-B", BRANCH)
            _git(tree, "add", "--all")
            if _git(tree, "status", "--porcelain"):
                _git(tree, "commit", "--quiet", "--message", message)
            _git(tree, "push", "--quiet", "origin", BRANCH)
            return _git(tree, "rev-parse", "HEAD").strip()

    def _settings(self) -> Mapping[str, str]:
        found: dict[str, str] = json.loads((self.bare / "stackly-hook.json").read_text())
        return found


def _git(folder: Path, *arguments: str) -> str:
    """Runs git without the settings of the user or the machine: no signing, no foreign hooks, no prompts."""
    environment = {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Stackly dev",
        "GIT_AUTHOR_EMAIL": "dev@stackly.local",
        "GIT_COMMITTER_NAME": "Stackly dev",
        "GIT_COMMITTER_EMAIL": "dev@stackly.local",
    }
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False  # noqa: S607
        )  # fmt: skip
    except FileNotFoundError:
        raise PartFailed("git", "git is not on PATH", hint="install git") from None
    if done.returncode != 0:
        raise PartFailed("git", f"git {arguments[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
