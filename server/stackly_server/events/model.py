"""An event, as it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the thing named `subject`; `sequence` counts from 1 in each account."""

    sequence: int
    type: str
    subject: str
    actor: str
    facts: Mapping[str, str]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: of a type (or of all that begin with it and a dot), of a thing; empty for all."""

    type: str = ""
    subject: str = ""
