"""A repository of a test: a bare one whose hook delivers, and a clone that real git pushes from."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackly_server.dev import hook

BRANCH = "main"
_SECONDS = 60


@dataclass(frozen=True)
class FlowRepository:
    """`push` gives the commit once the server has taken the delivery in."""

    bare: Path
    clone: Path

    @property
    def url(self) -> str:
        return f"file://{self.bare}"

    @property
    def settings_file(self) -> Path:
        return self.bare / "stackly-hook.json"

    def make(self) -> None:
        self.clone.mkdir(parents=True)
        git(self.clone, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(self.bare))
        git(self.clone, "init", "--quiet", f"--initial-branch={BRANCH}")
        git(self.clone, "remote", "add", "origin", str(self.bare))

    def connect(self, url: str, ca_file: Path, secret: str, external_id: str, full_name: str) -> None:
        """Installs the hook of the development repository."""
        settings = {
            "url": url, "ca_file": str(ca_file), "secret": secret, "repository_id": external_id,
            "full_name": full_name, "spool": str(self.bare / "stackly-spool"),
        }  # fmt: skip
        self.settings_file.write_text(json.dumps(settings))
        script = self.bare / "hooks/post-receive"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{hook.__file__}" "{self.settings_file}"\n')
        script.chmod(0o700)

    def push(self, files: Mapping[str, str], message: str = "a change") -> str:
        """Exactly these files as the whole tree; the commit's hash."""
        for old in self.clone.iterdir():
            if old.name != ".git":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name, text in files.items():
            path = self.clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--message", message)
        git(self.clone, "push", "--quiet", "origin", BRANCH)
        return git(self.clone, "rev-parse", "HEAD").strip()


def git(folder: Path, *arguments: str) -> str:
    """Git without the settings of the user or the machine."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ann Author",
        "GIT_AUTHOR_EMAIL": "ann@example.com",
        "GIT_COMMITTER_NAME": "Ann Author",
        "GIT_COMMITTER_EMAIL": "ann@example.com",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
