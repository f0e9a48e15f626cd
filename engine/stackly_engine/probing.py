"""Which parts of a value are sensitive, asked of Terraform itself by an expression beside it.

A state says of an output only whether all of it is sensitive. The probe of a value is [it is sensitive, the probes of its
parts by key]; where there are no parts to go through, the second says whether anything below is sensitive.
"""

from collections.abc import Iterator
from typing import Any

from stackly_engine import types
from stackly_engine.values import Path

_DEPTH = 12  # levels told apart; below, one sensitive part makes its whole container sensitive


def probed(expression: str) -> str:
    """The expression [value, probe of the value], free of ephemeral parts. A tuple: an output of null would vanish."""
    value = f"ephemeralasnull({expression})"
    return f"[{value}, {_probe(value, 0)}]"


def paths(probe: Any, t: Any) -> Iterator[Path]:
    """The paths of the sensitive parts of a value of this type; those inside of others too."""
    itself, inside = probe if isinstance(probe, list) else (probe is True, False)
    form = types.kind(t)
    if isinstance(inside, dict) and form == "set":
        inside = any(any(True for _ in paths(item, t[1])) for item in inside.values())
    if itself is True or inside is True:
        yield ()
    if isinstance(inside, dict):
        for key, item in inside.items():
            step = key if form in {"object", "map"} else int(key)
            part = t[1][step] if form in {"object", "tuple"} else t[1]
            yield from ((step, *path) for path in paths(item, part))


def _probe(value: str, level: int) -> str:
    below = f"issensitive(jsonencode({value}))"
    if level == _DEPTH:
        return below
    key, item = f"k{level}", f"x{level}"
    parts = f"{{ for {key}, {item} in {value} : {key} => {_probe(item, level + 1)} }}"
    return f"[issensitive({value}), try({parts}, {below})]"
