"""Which names of a repository may reach a worker (reliability.md, threat 15). Pure."""

from __future__ import annotations

import re
import unicodedata
from fnmatch import fnmatchcase

OVERRIDE_FILE = "zzzz_stackly_override.tf"
"""Our override file: Terraform merges override files in the order of their names, so none may sort after it."""

_LEFT_OUT = {
    "terraform": (
        ".terraform", "terraform.d", ".terraform.d", ".terraformrc", "terraform.rc", ".tofurc", "tofu.rc",
        "*.tfrc", "*.tfrc.json",
    ),
    "state": (
        "terraform.tfstate", "terraform.tfstate.*", "terraform.tfstate.d", ".terraform.tfstate.lock.info",
        "errored.tfstate",
    ),
    "plan": ("*.tfplan",),
    "reserved": (".stackly-*",),
}  # fmt: skip
_WHY = {
    "terraform": "Terraform would trust it: settings and plugins come from the worker, never from a repository",
    "state": "Terraform would take it for its state: states live in Stackly",
    "plan": "plan files come from Stackly, never from a repository",
    "reserved": "names that begin so are Stackly's own",
    "git": "git's own files do not reach a worker",
}
_OVERRIDES = re.compile(r"(.*_)?override\.(tf|tofu)(\.json)?", re.DOTALL)
_IGNORED_BY_SYSTEMS = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Characters that a file system may drop from a name, which would turn it into another."""
_GIT_SHORT = re.compile(r"git~[0-9]+")


def decoded(raw: bytes) -> str | None:
    """The name as text, or None when it is not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def folded(name: str) -> str:
    """Equal for names that a file system without case or with another Unicode form takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def refusal(name: str) -> str | None:
    """Why a name makes the whole tree unfit, or None."""
    if name in {"", ".", ".."} or "/" in name or "\\" in name:
        return "no file may have this name"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "control characters in a name"
    plain = folded(_IGNORED_BY_SYSTEMS.sub("", name)).rstrip(" .")
    if plain == ".git" or _GIT_SHORT.fullmatch(plain) or ".git" in plain.split(":")[0:1]:
        return "a file system could take this for git's own folder"
    if _overrides_ours(name):
        return f"it would be merged after {OVERRIDE_FILE} and overrule it; choose a name that sorts before"
    return None


def left_out(name: str) -> tuple[str, str] | None:
    """Code and reason why a name, of file or folder, does not reach a worker, or None."""
    plain = folded(name).rstrip(" .")
    if plain.startswith(".git"):
        return "git", _WHY["git"]
    for code, patterns in _LEFT_OUT.items():
        if any(fnmatchcase(plain, pattern) for pattern in patterns):
            return code, _WHY[code]
    return None


def _overrides_ours(name: str) -> bool:
    plain = folded(name)
    return _OVERRIDES.fullmatch(plain) is not None and max(name, plain) >= OVERRIDE_FILE
