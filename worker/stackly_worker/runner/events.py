"""Terraform's machine-readable UI (`-json` lines) as a log for people, structured errors and suspects."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stackly_engine import exact
from stackly_worker.runner import limits, unwritten

# The backend is our override; to hear of "local" would only make people doubt where their state is.
_QUIET = {"initializing_backend_message", "backend_configured_success"}
_BEGIN = {"apply_start"}
_END = {"apply_complete"}
_FAILED = {"apply_errored"}


@dataclass(frozen=True)
class TerraformError:
    """One error diagnostic; texts at most 4 KiB each, file relative to the root module, line from 1 (0: none)."""

    summary: str
    detail: str = ""
    file: str = ""
    line: int = 0
    snippet: str = ""
    address: str = ""


@dataclass
class Events:
    """What the lines read so far say. Feed whole lines; what `feed` returns is readable but not yet redacted.

    `suspects` are addresses whose operation began and has neither ended well nor failed cleanly: at the end of a process
    that was killed they may exist without being in the state. `done`: what ended well, the last of it; Terraform holds no
    more than its parallelism of such operations before it has written them to the state.
    """

    terraform_version: str = ""
    errors: list[TerraformError] = field(default_factory=list)
    errors_total: int = 0
    summary: Mapping[str, Any] = field(default_factory=dict)
    suspects: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    finished: int = 0
    done: deque[unwritten.Done] = field(default_factory=lambda: deque(maxlen=limits.DONE))
    dump: bytes | None = None
    _dump_lines: list[bytes] | None = None

    def fresh(self) -> "Events":
        """For the next command."""
        return Events()

    def absorb(self, other: "Events") -> None:
        """What another command of the same phase said, beside what this one did."""
        self.terraform_version = self.terraform_version or other.terraform_version
        self.errors = [*self.errors, *other.errors][: limits.ERRORS]
        self.errors_total += other.errors_total
        self.suspects = {**self.suspects, **other.suspects}
        self.failed = {**self.failed, **other.failed}
        self.finished += other.finished

    def feed(self, line: bytes) -> str:
        """Take one line (with or without its end); the text to show, empty or ended by a newline."""
        if self._dump_lines is not None or line.rstrip() == b"{":
            return self._collect(line)
        event = _event(line)
        if event is None:
            return self._plain(line.decode("utf-8", "replace").rstrip("\r\n"))
        self._note(event, line)
        return self._shown(event)

    def _plain(self, text: str) -> str:
        """A line outside the protocol: an older engine's init, a crash of Terraform, a provider's own words."""
        if text.startswith("Error: "):
            self._failed(TerraformError(_cut(text.removeprefix("Error: "))))
        return f"{text}\n"

    def _failed(self, error: TerraformError) -> None:
        self.errors_total += 1
        if len(self.errors) < limits.ERRORS:
            self.errors.append(error)

    def _note(self, event: Mapping[str, Any], line: bytes) -> None:
        kind, hook = event.get("type"), event.get("hook") or {}
        address = str((hook.get("resource") or {}).get("addr", ""))
        if kind in _BEGIN and len(self.suspects) < limits.SUSPECTS:
            self.suspects[address] = str(hook.get("action", ""))
        elif kind in _END:
            self.suspects.pop(address, None)
            self.finished += 1
            if (ended := unwritten.done(hook)) is not None:
                self.done.append(ended)
        elif kind in _FAILED:
            self.failed[address] = self.suspects.pop(address, str(hook.get("action", "")))
        elif kind == "version":
            self.terraform_version = str(event.get("terraform") or event.get("tofu") or "")
        elif kind == "log" and isinstance(event.get("state"), dict):
            self.dump = exact.dumps(exact.loads(line)["state"])
        elif kind == "change_summary":
            self.summary = event.get("changes") or {}

    def _shown(self, event: Mapping[str, Any]) -> str:
        if event.get("type") == "diagnostic" and isinstance(event.get("diagnostic"), dict):
            return self._diagnostic(event["diagnostic"])
        quiet = event.get("type") == "version" or event.get("message_code") in _QUIET
        message = "" if quiet else str(event.get("@message", "")).strip("\n")
        if event.get("type") == "outputs":
            return _outputs(event.get("outputs") or {})
        if event.get("type") == "change_summary":
            return f"\n{message}\n"
        return f"{message}\n" if message else ""

    def _diagnostic(self, diagnostic: Mapping[str, Any]) -> str:
        found = _error(diagnostic)
        if diagnostic.get("severity") == "error":
            self._failed(found)
        return _rendered(diagnostic, found)

    def _collect(self, line: bytes) -> str:
        """Terraform that cannot write its state prints the whole of it: kept apart, never shown (it holds secrets)."""
        self._dump_lines = [*(self._dump_lines or []), line.rstrip(b"\r\n")]
        if line.rstrip() != b"}":
            return ""
        text, self._dump_lines = b"\n".join(self._dump_lines), None
        document = _event(text) or {}
        if document.keys() >= {"version", "serial", "lineage"}:
            self.dump = text
            return "(Terraform printed the whole state here; it is kept, not shown)\n"
        return text.decode("utf-8", "replace") + "\n"


def read(lines: Iterable[bytes]) -> Events:
    """Everything whole output says: for whoever comes back to a process that ran without a reader."""
    events = Events()
    for line in lines:
        events.feed(line)
    return events


def _event(line: bytes) -> dict[str, Any] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _error(diagnostic: Mapping[str, Any]) -> TerraformError:
    place, snippet = diagnostic.get("range") or {}, diagnostic.get("snippet") or {}
    return TerraformError(
        summary=_cut(diagnostic.get("summary")),
        detail=_cut(diagnostic.get("detail")),
        file=_cut(place.get("filename")),
        line=int((place.get("start") or {}).get("line") or 0),
        snippet=_cut(snippet.get("code")),
        address=_cut(diagnostic.get("address")),
    )


def _cut(text: object) -> str:
    return str(text or "")[: limits.ERROR_TEXT]


def _rendered(diagnostic: Mapping[str, Any], found: TerraformError) -> str:
    """The diagnostic as Terraform itself prints it, without its frame."""
    head = "Error" if diagnostic.get("severity") == "error" else "Warning"
    lines = ["", f"{head}: {diagnostic.get('summary', '')}", ""]
    snippet = diagnostic.get("snippet") or {}
    if found.address:
        lines.append(f"  with {found.address},")
    if found.file:
        context = f", in {snippet['context']}" if snippet.get("context") else ""
        lines.append(f"  on {found.file} line {found.line}{context}:")
    if snippet.get("code"):
        first = int(snippet.get("start_line") or found.line)
        lines += [f"  {first + at:>4}: {text}" for at, text in enumerate(str(snippet["code"]).split("\n"))]
    for value in snippet.get("values") or []:
        lines.append(f"    {value.get('traversal', '')} {value.get('statement', '')}")
    if diagnostic.get("detail"):
        lines += ["", str(diagnostic["detail"])]
    return "\n".join([*lines, "", ""])


def _outputs(outputs: Mapping[str, Any]) -> str:
    """Outputs after an apply; a plan's outputs event has only actions and is not shown."""
    lines = []
    for name, output in outputs.items():
        if output.get("sensitive") and "type" in output:
            lines.append(f"{name} = (sensitive)")
        elif "value" in output:
            lines.append(f"{name} = {json.dumps(output['value'], ensure_ascii=False)}")
    return "\n".join(["", "Outputs:", "", *lines, ""]) if lines else ""
