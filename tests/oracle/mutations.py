"""Planted bugs: each takes one rule out of the engine; the directed root of that rule must then fail."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from stackly_engine.dependencies import Dependencies, closed
from stackly_engine.driving.pending import Pending
from stackly_engine.exports import Export
from stackly_engine.source import REAL, Kind

Change = Callable[[Any], Any]


@dataclass(frozen=True)
class Mutation:
    """`section`: the paragraph of engine.md that it breaks, `rule`: what of it.

    `place`: module and name (of a method: class and name); `change` makes the wrong one of the right one.
    """

    section: str
    rule: str
    place: str
    change: Change
    case: str
    mode: str = "apart"

    @contextmanager
    def planted(self) -> Iterator[None]:
        with ExitStack() as stack:
            for place in self.place.split(" + "):
                stack.enter_context(_changed(place, self.change))
            yield


@contextmanager
def _changed(place: str, change: Change) -> Iterator[None]:
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(f"stackly_engine.{module}")
    *outer, name = path.split(".")
    for step in outer:
        owner = getattr(owner, step)
    kept = owner.__dict__[name]
    setattr(owner, name, change(kept))
    try:
        yield
    finally:
        setattr(owner, name, kept)


def always(value: Any) -> Change:
    """The function gives this, whatever it is asked."""
    return lambda _: lambda *args, **named: value


def instead(value: Any) -> Change:
    return lambda _: value


def then(change: Callable[[Any], Any]) -> Change:
    """The function's result is changed."""
    return lambda right: lambda *args, **named: change(right(*args, **named))


def _without(code: str) -> Change:
    return lambda right: lambda *args: (one for one in right(*args) if one.code != code)


def _export(**fields: Any) -> Change:
    def change(export: Export) -> Export:
        return replace(export, **fields)

    return then(change)


def _hashed(**fields: Any) -> Change:
    return lambda right: lambda export, key, place: right(replace(export, **fields), key, place)


def _reasons(*without: str) -> Change:
    return lambda right: (
        lambda *args: (reason for reason in right(*args) if not any(word in reason for word in without))
    )


def _literal_only(tree: Any) -> Dependencies:
    found = closed(tree)
    return replace(found, before_destroy=found.literal_before_destroy)


def _keep_only_good(right: Any) -> Any:
    """The state that a failed batch left is thrown away."""

    def end(self: Any, piece: Any, ended: Any) -> None:
        right(self, piece, replace(ended, state=None) if ended.fate == "failed" else ended)

    return end


def _inside_root(right: Any) -> Any:
    """The folder of a batch lies in the root, not beside it."""

    def create(root: Any, *names: str) -> Any:
        space = right(root, *names)
        target = space.aside / "batch"
        space.folder.rename(target)
        return replace(space, folder=target)

    return create


def _calls_as_resources(right: Any) -> Any:
    """A module call waits for a resource as a data source does: for its own changes only."""

    def waits(self: Any, depender: Any, address: str, reference: Any) -> bool:
        alone = depender.kind is Kind.MODULE and not address.startswith("module.")
        return address in self.changed if alone else right(self, depender, address, reference)

    return waits


def _floats(right: Any) -> Any:
    import json

    return json.loads


def _unmangled(prefix: str, address: str, attribute: str | None = None) -> str:
    text = address if attribute is None else f"{address}.{attribute}"
    return prefix + "".join(letter if letter.isalnum() else "_" for letter in text)


def _real_alone(nodes: Any, steps: Any) -> dict[str, frozenset[str]]:
    """Edges to real nodes, none through others."""
    real = {name for name, node in nodes.items() if node.kind in REAL}
    return {name: needed & real - {name} for name, needed in steps.items() if name in real or name == "outputs"}


_COMBINED = "28 combinations, first: "
MUTATIONS: tuple[Mutation, ...] = (
    Mutation("§3", "edges pass through locals", "edges:_direct", instead(_real_alone), "through locals and variables"),
    Mutation("§3", "provider edges come from use", "edges:_providers", always(frozenset()), "a provider fed by a module"),
    Mutation("§3", "providers mapped through calls", "configuration:through", always({}), "aliases through modules"),
    Mutation("§3", "a provider passed on stays", "configuration:Configuration.passed", always(frozenset()), "passed on but not used"),
    Mutation("§3", "circles are one unit", "units:_join_connected + units:_join_circles", always(None), "circle of modules"),
    Mutation("§3", "circles of what was joined", "units:_join_circles", always(None), "replace_triggered_by"),
    Mutation("§3", "replace_triggered_by joins", "units:_is_trigger", always(False), "replace_triggered_by"),
    Mutation("§3", "ephemeral values join", "units:_is_ephemeral", always(False), "ephemeral"),
    Mutation("§5", "one impure expression is one value", "units:_is_impure", always(False), "impure"),
    Mutation("§3", "names that are bound are no references", "references:_identifiers", always(frozenset()), "names that shadow"),
    Mutation("§10", "validations belong to outputs", "graph:CLOSING", instead(frozenset({Kind.OUTPUT, Kind.CHECK})), "conditions and checks"),
    Mutation("§9", "what is used of an import's id", "graph:_BLOCKS", instead(frozenset({Kind.MOVED, Kind.REMOVED})), "import into the root"),
    Mutation("§9", "import references are no dependencies", "driving.known:reference_tree", lambda right: lambda of, **_: right(of), "import into the root"),
    Mutation("§4", "generated names do not collide", "mangling:name", instead(_unmangled), "names that nearly collide"),
    Mutation("§3", "a part of what was recorded whole", "cutting:part_of", instead(lambda exports, place: exports.get(place[0], {}).get(place[1])), "who reads the whole goes, who reads a part changes"),
    Mutation("§4", "lines stay where they are", "cutting:_lines", always(b""), "chain of modules"),
    Mutation("§4", "nothing else changes by a byte", "cutting:edited", then(lambda data: data.replace(b"  ", b" ")), "circle of modules"),
    Mutation("§4", "backends are blanked", "cutting:_BACKENDS", instead(()), "a backend block"),
    Mutation("§4", "folders beside the root", "command.batch:create", _inside_root, "a module beside the root"),
    Mutation("§11", "numbers are exact", "exact:loads", _floats, "exotic values"),
    Mutation("§4", "types are exact", "exports:from_output", _export(type="dynamic"), "exotic values"),
    Mutation("§4", "sensitivity is kept", "exports:from_output", _export(sensitive=False, inner=()), "sensitive in parts"),
    Mutation("§5", "sensitivity is an input", "driving.known:hash_of", _hashed(sensitive=False, inner=()), "sensitive in parts"),
    Mutation("§5", "the type is an input", "driving.known:hash_of", _hashed(type="dynamic"), "the type of an output changes"),
    Mutation("§7", "unknown is not null", "exports:from_planned_output", _export(unknown=False), "known and unknown"),
    Mutation("§7", "what is known of unknowns", "exports:from_planned_output", _export(refined=()), "known and unknown"),
    Mutation("§4", "depends_on is pending in a preview", "driving.chain:pending", lambda _: lambda graph, _: Pending(graph, frozenset()), "data sources that wait"),
    Mutation("§4", "pending behind modules", "driving.pending:Pending._behind", instead(frozenset()), "data sources behind modules"),
    Mutation("§4", "who waits without a list runs with what it waits for", "driving.pending:Pending.beside", always(frozenset()), "data sources that wait for what they read"),
    Mutation("§4", "a call waits for what a resource comes to", "driving.pending:Pending.__call__", _calls_as_resources, "data sources behind what stays"),
    Mutation("§9", "what cannot go holds nothing up", "applying:Applying._lets_go", lambda _: lambda self, needed: self._status[needed] in {"applied", "dropped", "skipped"}, "an update fails before what it lets go"),
    Mutation("§7", "deferred what depends on an unknown", "driving.chain:_Attempt.consumed", always({}), "count of an unknown"),
    Mutation("§5", "fingerprint: code", "fingerprints:_Reader._code", always({}), "chain of modules"),
    Mutation("§5", "fingerprint: module trees", "fingerprints:_Reader._tree", always({}), "nested modules"),
    Mutation("§5", "fingerprint: variables", "fingerprints:_Reader._variables", always({}), "variables from files"),
    Mutation("§5", "fingerprint: files", "fingerprints:_Reader._files", always({}), "files"),
    Mutation("§5", "fingerprint: inputs", "fingerprints:_Reader._inputs", always(()), "chain of modules"),
    Mutation("§5", "fingerprint: applies of what data waits for", "fingerprints:_Reader._waits", always(()), "data sources of the cloud"),
    Mutation("§5", "fingerprint: providers", "fingerprints:_Reader._code",
             then(lambda found: {name: one for name, one in found.items() if not name.startswith("provider:")}), "aliases through modules"),
    Mutation("§5", "the slice is the one that was left", "deciding:_own", _without("state"), "forgotten by hand"),
    Mutation("§5", "exports that nobody recorded", "deciding:_not_recorded", always(()), "chain of modules"),
    Mutation("§5", "impure units always run", "fingerprints:impurities", always(()), "impure"),
    Mutation("§9", "coupling", "driving.chain:coupled", always(()), f"{_COMBINED}none"),
    Mutation("§9", "coupling (i): both destroyed", "coupling:_reasons", _reasons("depends on it and"), f"{_COMBINED}none"),
    Mutation("§9", "coupling (ii): destroyed after an update", "coupling:_reasons", _reasons("but only after"), f"{_COMBINED}both"),
    Mutation("§9", "coupling (iii): the new one first", "coupling:_reasons", _reasons("must come first"), f"{_COMBINED}y"),
    Mutation("§9", "what is gone is always applied", "driving.carrying:REMOVED", instead("nothing"), "data sources go"),
    Mutation("§9", "dependencies are restored", "driving.state:settled_again", lambda _: lambda known, document, tops: dict(document), "a chain goes"),
    Mutation("§9", "create_before_destroy is restored", "driving.known:closed", instead(_literal_only), f"{_COMBINED}y"),
    Mutation("§9", "what is gone runs first", "deciding:Facts.upstream", instead(property(lambda self: {**self.graph.upstream, **({"removed": frozenset()} if self.removed else {})})), "a former user is updated"),
    Mutation("§9", "moved joins", "moves:_together", always(()), "from a kept module to another"),
    Mutation("§9", "moved gives its slice", "moves:_vanished", then(lambda found: dict.fromkeys(found, "removed")), "a module renamed"),
    Mutation("§9", "removed blocks go with what is gone", "cutting:_about_removed", lambda _: lambda graph, node: node.kind in {Kind.TERRAFORM, Kind.PROVIDER}, "forgotten"),
    Mutation("§9", "-replace to its owner", "command.inspection:replaced", always({}), "replaced on demand"),
    Mutation("§5", "state after every exit", "driving.carrying:Apply.end", _keep_only_good, "half of a module fails"),
    Mutation("§11", "results of checks", "merging:_results", always(None), "conditions and checks"),
    Mutation("§11", "results of checks that are gone", "driving.state:tidied", lambda _: lambda graph, document: dict(document), "a module of checks alone"),
    Mutation("§11", "data inside of checks wait", "graph:_inside_checks", always({}), "data sources of checks"),
    Mutation("§3", "what runs whole: a provider no longer used", "moves:stranded", always(()), "nothing of a provider is left in a module"),
    Mutation("§10", "what runs whole: the root's files", "soundness:_of_root", always(()), "JSON in the root"),
    Mutation("§10", "what runs whole: its own state", "soundness:reads_itself", always(()), "its own state"),
)  # fmt: skip
