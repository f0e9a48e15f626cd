"""Where things lie in a root; light, since the quickest answer of the command loads little else."""

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


def read(path: str) -> bytes:
    """The bytes of a file; none when there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is one of the things that are not loaded here
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return b""
