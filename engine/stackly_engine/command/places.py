"""Where things lie in a root; light, since the quickest answer of the command loads little else."""

import hashlib
import os
from collections.abc import Iterator

OWN = ".stackly"  # our folder inside the root; nothing in it is source
# Set by shells and terminals; a provider does not read them. Everything else of the environment is an input of a unit.
OF_THE_TERMINAL = frozenset({
    "PWD", "OLDPWD", "SHLVL", "_", "TERM", "COLUMNS", "LINES", "PS1", "SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT",
    "WINDOWID", "TMUX", "TMUX_PANE", "STY", "TERM_PROGRAM", "TERM_SESSION_ID", "COLORTERM", "LS_COLORS", "HISTFILE",
})  # fmt: skip


def workspace_of(root: str, asked: str) -> str:
    """The workspace of TF_WORKSPACE, or that of `terraform workspace select`: `terraform.workspace` in the code."""
    return asked or read(f"{root}/.terraform/environment").decode().strip() or "default"


def state_of(root: str, workspace: str) -> str:
    """Where Terraform's local backend keeps the state of a workspace."""
    folder = root if workspace == "default" else f"{root}/terraform.tfstate.d/{workspace}"
    return f"{folder}/terraform.tfstate"


def engine() -> str:
    """A digest that moves when another engine is installed: what one knew another does not believe."""
    return hashlib.sha256(repr(list(stamps(os.path.dirname(os.path.dirname(__file__))))).encode()).hexdigest()  # noqa: PTH120


def stamps(folder: str) -> Iterator[tuple[str, int, int]]:
    """What a file below a folder has no more when another is put in its place; links are followed, as Terraform does."""
    seen: set[str] = set()
    for base, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(base)
        folders[:] = [] if real in seen else sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names) if real not in seen else ():
            at = os.stat(f"{base}/{name}")  # noqa: PTH116
            yield f"{base}/{name}", at.st_size, at.st_mtime_ns
        seen.add(real)


def read(path: str) -> bytes:
    """The bytes of a file; none when there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is one of the things that are not loaded here
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return b""
