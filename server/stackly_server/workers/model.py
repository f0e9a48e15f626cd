"""Workers, join tokens and selectors; what was proved and which queues follow from it. Pure."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from stackly_engine.constraints import BadVersionError, Constraint, Version

ENGINES = ("terraform", "tofu")
_LABEL = re.compile(r"[A-Za-z]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?", re.ASCII)
_LABEL_VALUE_MAX = 200
_AHEAD = 4  # engines whose exact queues are served before anybody asked; each queue costs a worker a poller


class WorkerStatus(StrEnum):
    """Where a worker is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    UNREACHABLE = "UNREACHABLE"
    DRAINING = "DRAINING"
    OFFLINE = "OFFLINE"
    EVICTED = "EVICTED"
    BANNED = "BANNED"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a worker has: claimed or proved. Engines as `terraform 1.11.4`, memory in bytes."""

    features: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    cpus: int = 0
    memory_bytes: int = 0
    version: str = ""
    engines: tuple[str, ...] = ()
    platform: str = ""
    sandbox: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "features": sorted(self.features),
            "labels": dict(self.labels),
            "cpus": self.cpus,
            "memory_bytes": self.memory_bytes,
            "version": self.version,
            "engines": list(self.engines),
            "platform": self.platform,
            "sandbox": self.sandbox,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Capabilities":
        """Empty JSON: nothing at all."""
        return cls(
            frozenset(data.get("features", ())),
            data.get("labels", {}),
            data.get("cpus", 0),
            data.get("memory_bytes", 0),
            data.get("version", ""),
            tuple(data.get("engines", ())),
            data.get("platform", ""),
            data.get("sandbox", ""),
        )


@dataclass(frozen=True, slots=True)
class Selector:
    """What a stack needs of a worker: an engine in a range of versions, features, labels. Each one is a task queue."""

    engine: str = "terraform"
    constraint: str = ""
    features: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "constraint": self.constraint,
            "engine": self.engine,
            "features": sorted(self.features),
            "labels": dict(self.labels),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Selector":
        return cls(data["engine"], data["constraint"], frozenset(data["features"]), data["labels"])

    @property
    def hash(self) -> str:
        """Its name: 12 hex digits of the SHA-256 of its canonical JSON."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def missing(self, have: Capabilities) -> tuple[str, ...]:
        """What of it is not there, in words; nothing when all is."""
        lacking = [] if self._has_engine(have) else [f"{self.engine} {self.constraint}".rstrip()]
        lacking += [f"feature {name}" for name in sorted(self.features - have.features)]
        lacking += [
            f"label {name}={value}" for name, value in sorted(self.labels.items()) if have.labels.get(name) != value
        ]
        return tuple(lacking)

    def _has_engine(self, have: Capabilities) -> bool:
        try:
            constraint = Constraint.parse(self.constraint)
        except BadVersionError:
            return False
        named = (engine.split(" ", 1) for engine in have.engines)
        return any(name == self.engine and constraint.admits(Version.parse(version)) for name, version in named)


DEFAULT_SELECTOR = Selector()


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a worker must prove: each engine computes `sha256("<nonce>:<engine>")`. It proves function, not honesty."""

    id: UUID
    nonce: str
    engines: tuple[str, ...]

    def wrong(self, answers: Mapping[str, str]) -> tuple[str, ...]:
        """The engines that did not answer, or answered wrong."""
        return tuple(engine for engine in self.engines if answers.get(engine) != self.answer(engine))

    def answer(self, engine: str) -> str:
        """The right answer, hex."""
        return hashlib.sha256(f"{self.nonce}:{engine}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a join token should be; `seconds` 0 means the default."""

    display_name: str
    labels: Mapping[str, str]
    allowed_features: tuple[str, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A token that lets one machine join. Its secret is kept as a hash only."""

    id: UUID
    display_name: str
    labels: Mapping[str, str]
    allowed_features: tuple[str, ...]
    expires_at: datetime
    used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Worker:
    """A machine that joined a namespace. `account`, `namespace` and `slug` make its name."""

    id: UUID
    account_id: UUID
    namespace_id: UUID
    account: str
    namespace: str
    temporal_namespace: str
    slug: str
    host: str
    token_labels: Mapping[str, str]
    allowed_features: tuple[str, ...]
    capabilities: Capabilities
    verified: Capabilities
    status: WorkerStatus
    schedulable: bool
    lease_expires_at: datetime
    certificate_serial: str
    certificate_expires_at: datetime
    challenge: Challenge | None
    challenge_failures: int
    recheck_until: datetime | None
    directive_sequence: int
    running_runs: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        return f"accounts/{self.account}/namespaces/{self.namespace}/workers/{self.slug}"

    @property
    def known(self) -> bool:
        """Whether its certificate opens anything."""
        return self.status not in {WorkerStatus.EVICTED, WorkerStatus.BANNED}

    @property
    def asked(self) -> Challenge | None:
        """The challenge that it has yet to answer."""
        open_ = self.status is WorkerStatus.PENDING or self.recheck_until is not None
        return self.challenge if open_ else None

    @property
    def proved(self) -> bool:
        """Whether it has shown what it can do, so that its certificate may open Temporal."""
        return self.known and bool(self.verified.engines)

    def queues(self, selectors: Iterable[Selector]) -> tuple[str, ...]:
        """The task queues to serve: its own for what it has under way, and all that what it proved satisfies."""
        if self.status not in {WorkerStatus.ACTIVE, WorkerStatus.UNREACHABLE, WorkerStatus.DRAINING}:
            return ()
        own = f"{self.temporal_namespace}.w.{self.id}"
        if self.status is WorkerStatus.DRAINING or not self.schedulable:
            return (own,)
        exact = (
            Selector(name, f"= {version}")
            for name, version in (e.split(" ", 1) for e in self.verified.engines[:_AHEAD])
        )
        always = (DEFAULT_SELECTOR, *exact)  # the first apply of an engine need not wait until its queue is served
        fitting = {each.hash for each in (*selectors, *always) if not each.missing(self.verified)}
        return (own, *(task_queue(self.temporal_namespace, hash_) for hash_ in sorted(fitting)))


def task_queue(temporal_namespace: str, selector_hash: str) -> str:
    """The queue of a selector."""
    return f"{temporal_namespace}.{selector_hash}"


def proved(
    claimed: Capabilities, engines: Iterable[str], allowed: Sequence[str], token_labels: Mapping[str, str]
) -> Capabilities:
    """What counts of a claim once these engines answered right.

    Engines bring their features. Other features cannot be tried, so they count only where the join token names them;
    labels of the token beat claimed ones.
    """
    working = tuple(engine for engine in engines if not allowed or engine.split(" ", 1)[0] in allowed)
    vouched = (claimed.features & set(allowed)) - set(ENGINES)
    features = frozenset(engine.split(" ", 1)[0] for engine in working) | vouched
    return replace(claimed, engines=working, features=features, labels={**claimed.labels, **token_labels})


def due_again(silent_seconds: float, every_seconds: float, chance: float) -> bool:
    """Whether a worker that was heard from so long ago is to prove itself again; `chance` is even between 0 and 1.

    However often it calls, that happens once in `every_seconds` on average, and nobody can tell when.
    """
    return chance < max(0.0, silent_seconds) / every_seconds


def lacking(selector: Selector, workers: Sequence[Capabilities]) -> tuple[str, ...]:
    """What no worker has of a selector; nothing, when one of them has all. Where each part is had by some: all of it."""
    missing = [set(selector.missing(have)) for have in workers]
    if any(not each for each in missing):
        return ()
    everything = selector.missing(Capabilities())
    nowhere = tuple(part for part in everything if all(part in each for each in missing))
    return nowhere or everything


def offered(workers: Iterable[Capabilities]) -> tuple[str, ...]:
    """Each engine that one of them has, by product and version."""
    names = {engine for have in workers for engine in have.engines}
    return tuple(sorted(names, key=lambda name: (name.split(" ", 1)[0], Version.parse(name.split(" ", 1)[1]))))


def claim_problems(claimed: Capabilities) -> dict[str, str]:
    """What is wrong with a claim, by field."""
    problems = label_problems(claimed.labels, "capabilities.labels")
    if not all(_is_engine(engine) for engine in claimed.engines):
        problems["capabilities.engines"] = f"Each engine is one of {', '.join(ENGINES)} and its version."
    return problems


def label_problems(labels: Mapping[str, str], place: str) -> dict[str, str]:
    """What is wrong with labels, by field."""
    if all(_LABEL.fullmatch(name) and len(value) <= _LABEL_VALUE_MAX for name, value in labels.items()):
        return {}
    return {place: f"A label is a word of letters, digits and ._/-, its value at most {_LABEL_VALUE_MAX} characters."}


def _is_engine(text: str) -> bool:
    name, _, version = text.partition(" ")
    try:
        Version.parse(version)
    except BadVersionError:
        return False
    return name in ENGINES and version == version.strip()
