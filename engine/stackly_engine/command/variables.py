"""The run's variables as Terraform takes them: files in their order, `-var` last, one file for the batches."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackly_engine import exact
from stackly_engine.syntax import parse

_PREFIX = "TF_VAR_"


class VariablesError(ValueError):
    """A variable or a file of variables cannot be used; the message says which."""


class UnreadableError(VariablesError):
    """A file of variables is not understood here: Terraform itself has to say what is wrong with it."""


@dataclass(frozen=True)
class Given:
    """What the user gave: `-var NAME=VALUE` and `-var-file FILE`, in the order of the command line."""

    items: tuple[tuple[str, str], ...] = ()  # ("var", "name=value") or ("var-file", path)

    @property
    def named(self) -> frozenset[str]:
        """The variables that were given one by one."""
        return frozenset(value.partition("=")[0].strip() for kind, value in self.items if kind == "var")

    def arguments(self, cwd: Path, declared: Collection[str]) -> list[str]:
        """The same for Terraform in another folder; a `-var` that the batch does not declare would be an error there."""
        return [
            f"-{kind}={value if kind == 'var' else cwd / value}"
            for kind, value in self.items
            if kind != "var" or value.partition("=")[0].strip() in declared
        ]


NONE = Given()


def texts(root: Path, given: Given, cwd: Path, outer: Mapping[str, str]) -> dict[str, bytes]:
    """Variable name → the bytes that say its value, the last one that counts; only for comparing, never for values.

    The order is Terraform's: environment, terraform.tfvars, terraform.tfvars.json, *.auto.tfvars(.json) by name, then
    `-var` and `-var-file` as given. https://developer.hashicorp.com/terraform/language/values/variables
    """
    found = {name[len(_PREFIX) :]: value.encode() for name, value in outer.items() if name.startswith(_PREFIX)}
    for path in _automatic(root):
        found.update(_in_file(path))
    for kind, value in given.items:
        found.update(_one(value) if kind == "var" else _in_file(cwd / value))
    return found


def _automatic(root: Path) -> Sequence[Path]:
    named = [root / "terraform.tfvars", root / "terraform.tfvars.json"]
    auto = sorted(path for path in root.iterdir() if path.name.endswith((".auto.tfvars", ".auto.tfvars.json")))
    return [path for path in [*named, *auto] if path.is_file()]


def _one(text: str) -> dict[str, bytes]:
    name, equals, value = text.partition("=")
    if not equals:
        raise VariablesError(f"-var wants NAME=VALUE, not {name!r}")
    return {name.strip(): value.encode()}


def _in_file(path: Path) -> dict[str, bytes]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VariablesError(f"the variables file {path} cannot be read: {error.strerror}") from None
    try:
        if not path.name.endswith(".json"):
            read = parse(path.name, data)
            return {name: read.tokens(item.value) for name, item in read.attributes.items()}
        values = exact.loads(data)
    except ValueError as error:
        raise UnreadableError(f"{path}: {error}") from None
    if not isinstance(values, dict):
        raise UnreadableError(f"{path}: an object of variables is wanted")
    return {name: exact.dumps(value) for name, value in values.items()}
