"""Terraform's own terraform.tfstate beside the root: the command keeps the state where plain Terraform looks for it."""

from pathlib import Path
from typing import Any

from stackly_engine import exact, merging, slices
from stackly_engine.command.places import state_of
from stackly_engine.command.workspace import write_secret
from stackly_engine.exact import FormatError


def path_of(root: Path, terraform_workspace: str) -> Path:
    """Where Terraform's local backend keeps the state of a workspace."""
    return Path(state_of(str(root), terraform_workspace))


def load(path: Path, version: str, lineage: str = "", data: bytes | None = None) -> dict[str, Any]:
    """The state document; a new one, of this lineage or its own, when there is none: batches must share it.

    `data` are its bytes where they were read already.
    """
    if path.exists():
        try:
            document = slices.parse(path.read_bytes() if data is None else data)
            slices.split_by_top(document)
        except FormatError as error:
            raise FormatError(f"the state in {path} cannot be used: {error}") from None
        if not isinstance(document.get("serial"), int) or not isinstance(document.get("lineage"), str):
            raise FormatError(f"the state in {path} cannot be used: it has no serial or no lineage")
        return document
    import uuid  # asks what platform this is

    return merging.empty(lineage or str(uuid.uuid4()), version)


def encrypted(path: Path) -> bool:
    """Whether OpenTofu encrypted the state: only it can read that."""
    try:
        document = exact.loads(path.read_bytes()) if path.exists() else None
    except FormatError:
        return False
    return isinstance(document, dict) and "encrypted_data" in document


def keep(path: Path, data: bytes) -> None:
    """Write the state whole: a reader sees the old one or the new one. The old one stays as Terraform's backup."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        write_secret(path.with_name(path.name + ".backup"), path.read_bytes())
    write_secret(path, data)
