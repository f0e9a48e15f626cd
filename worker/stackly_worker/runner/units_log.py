"""Several Terraforms at a time in one log: one of them speaks, the others' words wait; ours among theirs are left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stackly_engine import mangling
from stackly_worker.runner import limits
from stackly_worker.runner.events import Events
from stackly_worker.runner.transcript import Sink

_WAITING_MOST = (
    limits.MIB
)  # what one waiting voice holds back; beyond it speaks out of turn, rather than to take memory
_UNDECLARED = ("Value for undeclared variable", "Values for undeclared variables")


@dataclass
class Choir:
    """Who speaks: the voice that came first and has not ended."""

    log: Sink
    _voices: list["Voice"] = field(default_factory=list)

    def voice(self, title: str) -> "Voice":
        """A new one. `title` (redacted) is said once before its first words."""
        voice = Voice(self, f"\n── {title}\n".encode())
        self._voices.append(voice)
        voice.advance()
        return voice

    def leads(self, voice: "Voice") -> bool:
        return bool(self._voices) and self._voices[0] is voice

    def go_on(self) -> None:
        """After one has ended: those after it that have ended too say all they held, then the next one speaks."""
        while self._voices and self._voices[0].closed:
            self._voices.pop(0)
            if self._voices:
                self._voices[0].advance()


@dataclass
class Voice:
    """The log of one process; a Sink."""

    choir: Choir
    held: bytes
    size: int = 0
    closed: bool = False

    def append(self, data: bytes) -> int:
        self.held += data
        self.size += len(data)
        if self.choir.leads(self) or len(self.held) > _WAITING_MOST:
            self.advance()
        return self.size

    def advance(self) -> None:
        """It is this one's turn: what it holds goes out."""
        if self.size:
            self.choir.log.append(self.held)
            self.held = b""

    def close(self) -> None:
        self.closed = True
        self.choir.go_on()


@dataclass
class UnitEvents(Events):
    """Events of a cut root: resources and outputs that the cut added are nobody's affair.

    `prefix` is how their names begin; `all_variables`: whether the batch declares every variable of the root, so that a
    value for another one is a mistake.
    """

    prefix: str = mangling.PREFIX
    all_variables: bool = False
    hidden: int = 0

    def fresh(self) -> "UnitEvents":
        return UnitEvents(prefix=self.prefix, all_variables=self.all_variables)

    def _note(self, event: Mapping[str, Any], line: bytes) -> None:
        super()._note(event, line)
        change = event.get("change") or {}
        if event.get("type") == "planned_change" and self._ours(change) and change.get("action") == "create":
            self.hidden += 1
        if event.get("type") == "change_summary" and self.hidden:
            self.summary = {**self.summary, "add": int(self.summary.get("add", 0)) - self.hidden}

    def _shown(self, event: Mapping[str, Any]) -> str:
        kind = event.get("type")
        if self._ours(event.get("hook") or {}) or self._ours(event.get("change") or {}):
            return ""
        if kind == "outputs":
            outputs = (event.get("outputs") or {}).items()
            theirs = {name: value for name, value in outputs if not name.startswith(self.prefix)}
            return super()._shown({**event, "outputs": theirs})
        if kind == "change_summary" and self.hidden:
            counts = self.summary
            words = f"Plan: {counts['add']} to add, {counts.get('change', 0)} to change, {counts.get('remove', 0)} to destroy."
            return super()._shown({**event, "@message": words})
        if kind == "diagnostic" and not self.all_variables and _of_undeclared(event.get("diagnostic") or {}):
            return ""
        return super()._shown(event)

    def _diagnostic(self, diagnostic: Mapping[str, Any]) -> str:
        return super()._diagnostic(_in_words_of_the_user(self.prefix, diagnostic))

    def _ours(self, about: Mapping[str, Any]) -> bool:
        address = str((about.get("resource") or {}).get("addr", ""))
        return address.startswith(f"terraform_data.{self.prefix}")


def _in_words_of_the_user(prefix: str, told: Any) -> Any:
    """What Terraform says of a cut root, without the names that the cut made."""
    if isinstance(told, str):
        return mangling.unmangled(prefix, told)
    if isinstance(told, Mapping):
        return {name: _in_words_of_the_user(prefix, part) for name, part in told.items()}
    return [_in_words_of_the_user(prefix, part) for part in told] if isinstance(told, list) else told


def _of_undeclared(diagnostic: Mapping[str, Any]) -> bool:
    return diagnostic.get("severity") == "warning" and str(diagnostic.get("summary")) in _UNDECLARED
