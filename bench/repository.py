"""A repository whose pushes reach the platform: one stack of one resource, states made by API."""

import json
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.caller import ACCOUNT, Caller
from bench.installed import Installed
from stackly.v1 import accounts_pb2, stacks_service_pb2
from stackly_server.dev import hook

MAIN = """variable "word" {
  type    = string
  default = "one"
}

resource "terraform_data" "one" {
  input = var.word
}

output "word" {
  value = terraform_data.one.output
}
"""
_SECONDS = 30.0


@dataclass
class Repository:
    """A bare repository below the platform's allowed roots, a work tree, and what signs deliveries."""

    bare: Path
    tree: Path
    code: str
    settings: dict[str, str]

    @classmethod
    def connect(cls, installed: Installed, caller: Caller, *, manual: bool, settings: str = "") -> "Repository":
        """A new one with its stack; `manual`: the stack has no state of its own; `settings` are lines of its file."""
        number = str(uuid.uuid4().int % 10**9)
        code = f"bench-{number}"
        bare = installed.home / "repositories" / f"{code}.git"
        tree = installed.home / "bench" / code
        tree.mkdir(parents=True)
        _git(tree, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        _git(tree, "init", "--quiet", "--initial-branch=main")
        (tree / "main.tf").write_text(MAIN)
        states = '\n  states = "manual"' if manual else ""
        (tree / "stackly.hcl").write_text(f'stack "{code}" {{\n  version = "1"{states}\n{settings}}}\n')
        full_name = f"bench/{code}"
        answer = caller.connect(
            accounts_pb2.Repository(
                clone_url=f"file://{bare}", full_name=full_name, external_id=number, default_ref="main"
            )
        )
        signed = {
            "url": f"{installed.url}/v1/webhooks/github", "ca_file": str(installed.ca_file),
            "secret": answer.webhook_secret, "repository_id": number, "full_name": full_name,
            "spool": str(installed.home / "bench" / f"{code}-spool"),
        }  # fmt: skip
        return cls(bare, tree, code, signed)

    def push(self, words: str) -> tuple[str, float]:
        """Pushes with real git, delivers it; the commit, and when the delivery was answered (monotonic seconds)."""
        main = self.tree / "main.tf"
        main.write_text(MAIN.replace('"one"\n}', f'"{words}"\n}}', 1))
        after, deliver = self.commit(words)
        deliver()
        return after, time.monotonic()

    def commit(self, words: str) -> tuple[str, Callable[[], None]]:
        """Pushes the tree as it is with real git; the commit, and what tells the platform of it."""
        before = _git(self.tree, "rev-parse", "--verify", "-q", "HEAD", check=False) or "0" * 40
        _git(self.tree, "add", "--all")
        _git(self.tree, "commit", "--quiet", "--message", words)
        _git(self.tree, "push", "--quiet", str(self.bare), "main")
        after = _git(self.tree, "rev-parse", "HEAD")
        delivery = hook.spool(self.settings, "refs/heads/main", before, after)

        def deliver() -> None:
            if not hook.send(self.settings, delivery):
                raise RuntimeError(f"the delivery was refused: {json.loads(delivery.read_text())}")
            delivery.unlink()

        return after, deliver

    def registered(self, caller: Caller) -> str:
        """The resource name of the stack's code, once it is known."""
        request = stacks_service_pb2.ListStackCodesRequest(parent=ACCOUNT, page_size=200)
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            found = caller.stacks.ListStackCodes(request, metadata=caller.signed, timeout=_SECONDS).stack_codes
            for code in found:
                if self.code in code.name:
                    return code.name
            time.sleep(0.05)
        raise TimeoutError(f"{self.code} was not registered in {_SECONDS:.0f} seconds")


def _git(folder: Path, *arguments: str, check: bool = True) -> str:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@stackly.local",
        "GIT_COMMITTER_NAME": "bench", "GIT_COMMITTER_EMAIL": "bench@stackly.local",
    }  # fmt: skip
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=check, timeout=_SECONDS
    )
    return done.stdout.strip()
