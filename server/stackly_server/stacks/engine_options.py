"""What a stack file says of how its engine works: how long things hold, how many work at once. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackly_server.hcl.shape import Body

PARALLEL_MOST = 1000
AGE_SECONDS = AUDIT_SECONDS = 7 * 86400
"""When the file says nothing: no unit is skipped for longer, and so often the engine is audited."""

_AGE = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNITS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Options of the engine, in seconds.

    `data_refresh`: how old a data source's reading may be; 0: each run reads it, None: read when its unit runs.
    `max_age`: no unit is skipped for longer. `audit`: how often the engine is audited, None: only on demand.
    `max_parallel`: batches at once, None: as many as suit the worker.
    """

    data_refresh: int | None = None
    max_age: int = AGE_SECONDS
    audit: int | None = AUDIT_SECONDS
    max_parallel: int | None = None


def read_options(stack: Body) -> EngineOptions:
    """The options of a stack block; what is wrong with them is noted at its place."""
    return EngineOptions(
        data_refresh=_age_or(stack, "data_refresh", {"on_change": None, "always": 0}, None),
        max_age=stack.seconds("max_age") or AGE_SECONDS,
        audit=_age_or(stack, "audit", {"never": None}, AUDIT_SECONDS),
        max_parallel=stack.whole("max_parallel", 1, PARALLEL_MOST),
    )


def _age_or(stack: Body, name: str, words: Mapping[str, int | None], absent: int | None) -> int | None:
    """A duration in seconds, or what one of the words stands for."""
    text = stack.text(name)
    attribute = stack.attribute(name)
    if text is None or attribute is None:
        return absent
    if text in words:
        return words[text]
    if found := _AGE.fullmatch(text):
        return int(found[1]) * _UNITS[found[2]]
    wanted = ", ".join(f'"{word}"' for word in words)
    stack.notes.add(attribute.value.place, f'{name} must be {wanted} or a duration such as "24h", not "{text[:40]}"')
    return absent
