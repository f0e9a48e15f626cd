"""What Terraform said that it did and its last state does not hold: it was killed between its word and the write; pure.

Terraform tells that an operation ended, then writes the state. An operation is taken for written only when the state
shows it: what cannot be shown is named, so that nothing that may exist is forgotten.
"""

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackly_engine import exact, slices

CHANGES = frozenset({"create", "update", "delete"})
_PRIOR = "tfstate"  # in a saved plan: the state that it was made from, refreshed; each operation starts from there
_PRIOR_BYTES = 256 * 1024**2

Key = tuple[str, str, str, str | int | None]  # module, type, name and instance key of a managed resource


@dataclass(frozen=True)
class Done:
    """One operation (of CHANGES) that Terraform said was complete."""

    address: str
    action: str
    key: Key


@dataclass
class _Objects:
    """The attributes at one address: of the current object (None without) and of all, deposed ones too."""

    current: Any = None
    each: tuple[Any, ...] = ()


def done(hook: Mapping[str, Any]) -> Done | None:
    """The operation an `apply_complete` tells of; None when it changes no managed resource."""
    resource, action = hook.get("resource") or {}, hook.get("action")
    if action not in CHANGES or str(resource.get("resource", "")).startswith("data."):
        return None
    names = (str(resource.get(part) or "") for part in ("module", "resource_type", "resource_name"))
    module, kind, name = names
    return Done(str(resource.get("addr", "")), action, (module, kind, name, resource.get("resource_key")))


def unwritten(said: Iterable[Done], state: bytes | None, prior: bytes | None) -> dict[str, str]:
    """Address → action of what was done and is not to be seen in `state` (None: no whole document is left).

    `prior` is the state before, None when it is not known: then updates and deletes are named one and all.
    """
    said = tuple(said)
    try:
        after, before = _objects(state or b""), None if prior is None else _objects(prior)
    except exact.FormatError:
        return {each.address: each.action for each in said}
    deletes: dict[Key, int] = {}
    for each in said:
        deletes[each.key] = deletes.get(each.key, 0) + (each.action == "delete")
    return {
        each.address: each.action
        for each in said
        if not _shown(each, deletes[each.key], after.get(each.key, _Objects()), before)
    }


def prior_state(plan_file: Path) -> bytes | None:
    """The refreshed state inside a saved plan; None when there is no readable plan."""
    try:
        with zipfile.ZipFile(io.BytesIO(plan_file.read_bytes())) as archive:
            fits = archive.getinfo(_PRIOR).file_size <= _PRIOR_BYTES
            return archive.read(_PRIOR) if fits else None
    except (OSError, zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError):
        return None


def _shown(each: Done, deletes: int, after: _Objects, before: Mapping[Key, _Objects] | None) -> bool:
    """Whether the state has taken the operation in: all objects deleted here are gone, or the current one is another."""
    if before is None:
        return each.action == "create" and after.current is not None
    known = before.get(each.key, _Objects()).each
    if each.action == "delete":
        return sum(one not in after.each for one in known) >= deletes
    return after.current is not None and after.current not in known


def _objects(document: bytes) -> dict[Key, _Objects]:
    found: dict[Key, _Objects] = {}
    for resource in slices.parse(document).get("resources") or []:
        if resource.get("mode") != "managed":
            continue
        for instance in resource.get("instances") or []:
            name = (resource.get("module", ""), resource.get("type", ""), resource.get("name", ""))
            objects = found.setdefault((*name, instance.get("index_key")), _Objects())
            attributes = instance.get("attributes", instance.get("attributes_flat"))
            objects.each = (*objects.each, attributes)
            if not instance.get("deposed"):
                objects.current = attributes
    return found
