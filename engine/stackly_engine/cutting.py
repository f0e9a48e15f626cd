"""A batch's root: the original bytes, other units blanked, references to them replaced by recorded values."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from stackly_engine import exact, mangling
from stackly_engine.exports import Exports, attributes_of, outputs_of, part_of, prefix_of
from stackly_engine.generating import Generated
from stackly_engine.graph import Graph, Needs
from stackly_engine.source import REAL, Kind, Node
from stackly_engine.syntax import Attribute, ParsedFile, Reference, Span

GENERATED = "stackly_gen.tf"
REMOVED = "removed"
# Whether data sources must wait because of one item of a `depends_on`: (who depends, the address of what, the item).
Waits = Callable[[Node, str, Reference], bool]
_DEPENDING = REAL | {Kind.OUTPUT}
_NAMING = frozenset({"alias", "version"})  # of a provider block; neither reads anything
_BACKENDS = frozenset({"backend", "cloud"})


class CutError(ValueError):
    """The batch cannot be cut with what is known: an export is missing, say; the message names it."""


@dataclass(frozen=True)
class Cut:
    """`files` as in the root, edited; `generated` is to be written beside them as `generated_name`.

    `variables` is the JSON of a var file for the generated variables, `modules` a modules.json of the batch's calls,
    `external` the addresses of other units that the batch reads, `prefix` how every generated name begins. `preview` says
    that something stands for what is not known yet: plans of this root must never be applied. `copied` are data sources of
    other units that the batch reads anew; what it leaves of them in its state is to be dropped.
    """

    files: Mapping[str, bytes]
    generated: bytes
    variables: bytes
    modules: bytes
    external: frozenset[str]
    generated_name: str = GENERATED
    prefix: str = mangling.PREFIX
    preview: bool = False
    copied: frozenset[str] = frozenset()


def waits_for_nothing(_depender: Node, _address: str, _reference: Reference) -> bool:
    """As it is when values are real."""
    return False


def cut(
    graph: Graph,
    units: Collection[str],
    upstream: Exports,
    *,
    pending: Waits = waits_for_nothing,
    record: bool = True,
) -> Cut:
    """The root of a batch; all of the graph's units: the root itself without its backend, exports recorded.

    `pending` says which items of a `depends_on` stand for managed resources of other batches that will change: what
    depends on them must wait in the preview. `removed` among the units adds the removed blocks of what is gone, and every provider block.
    """
    needs = needs_of(graph, units)
    editor = _Editor(graph, needs.kept, needs.idle, pending, prefix_of(graph))
    files = editor.edit(graph.configuration.root.files)
    made = editor.generated(upstream)
    if record:
        for address, names in sorted(outputs_of(graph, units).items()):
            for name in names:
                made.record(mangling.name(editor.prefix, address, name), _written(address, name))
    return Cut(
        files=files,
        generated=made.text(),
        variables=exact.dumps(made.values()),
        modules=_modules(graph, needs.kept),
        external=needs.external,
        copied=needs.copied,
        generated_name=_free_name(files),
        prefix=editor.prefix,
        preview=bool(made.resources),
    )


def cut_removed(graph: Graph, upstream: Exports) -> Cut:
    """The root of the unit `removed`: terraform, provider and removed blocks only, and what they read."""
    return cut(graph, {REMOVED}, upstream)


def edited(data: bytes, edits: Collection[tuple[Span, bytes]]) -> bytes:
    """The bytes with ranges replaced; ranges inside a replaced one are ignored."""
    out, reached = bytearray(), 0
    for span, text in sorted(edits, key=lambda edit: (edit[0].start, -edit[0].end)):
        if span.start >= reached:
            out += data[reached : span.start] + text
            reached = span.end
    return bytes(out + data[reached:])


def needs_of(graph: Graph, units: Collection[str]) -> Needs:
    """What a batch keeps; `removed` may be among its units."""
    nodes = graph.configuration.root.nodes
    if set(units) >= set(graph.units):
        return Needs(frozenset(nodes), frozenset())
    needs = graph.needs(sorted(set(units) - {REMOVED}))
    if REMOVED not in units:
        return needs
    start = {address for address, node in nodes.items() if _about_removed(graph, node)}
    copied = frozenset[str]().union(*(graph.copies.get(address, ()) for address in start))
    kept, external = _closure(graph, start | copied)
    kept |= needs.kept
    foreign = copied - {member for unit in set(units) - {REMOVED} for member in graph.units[unit].members}
    return Needs(frozenset(kept), frozenset(external | needs.external) - kept, copied=needs.copied | foreign)


def _about_removed(graph: Graph, node: Node) -> bool:
    """Whether the unit of what is gone needs a node: every provider may have made it."""
    if node.kind is Kind.REMOVED and "from" in node.block.attributes:
        return graph.owner_of(node.block.attributes["from"].text.strip()) is None
    return node.kind in {Kind.TERRAFORM, Kind.PROVIDER}


def _closure(graph: Graph, start: Collection[str]) -> tuple[set[str], set[str]]:
    """The nodes that some read through locals and variables, and the real ones where that ends."""
    nodes = graph.configuration.root.nodes
    kept, external, waiting = set(start), set[str](), list(start)
    while waiting:
        for address, _, _ in nodes[waiting.pop()].targets:
            if nodes[address].kind in REAL:
                external.add(address)
            elif address not in kept:
                kept.add(address)
                waiting.append(address)
    return kept, external


def _modules(graph: Graph, kept: Collection[str]) -> bytes:
    """A modules.json of the root and the calls below the modules that are kept."""
    nodes = graph.configuration.root.nodes
    names = {nodes[address].block.labels[0] for address in kept if nodes[address].kind is Kind.MODULE}
    entries = [{"Key": "", "Source": "", "Dir": "."}]
    for key, call in sorted(graph.configuration.calls.items()):
        if key and key.split(".", 1)[0] in names:
            version = {"Version": call.version} if call.version else {}
            entries.append({"Key": key, "Source": call.source, "Dir": call.directory, **version})
    return exact.dumps({"Modules": entries})


def _free_name(files: Collection[str]) -> str:
    """The name of the generated file: none of the root's, not even hidden by one of OpenTofu's."""
    taken = {name.casefold().split(".", 1)[0] for name in files}
    stem, number = GENERATED.removesuffix(".tf"), 0
    name = stem
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return f"{name}.tf"


def _written(address: str, attribute: str | None) -> str:
    return address if attribute is None else f"{address}.{attribute}"


def _lines(data: bytes, span: Span) -> bytes:
    """As many newlines as a range has."""
    return b"\n" * data.count(b"\n", span.start, span.end)


@dataclass
class _Editor:
    """Edits the files of one batch and remembers which values of other units they read now."""

    graph: Graph
    kept: frozenset[str]
    idle: frozenset[str]
    waits: Waits
    prefix: str
    read: set[tuple[str, str | None]] = field(default_factory=set)
    awaited: set[str] = field(default_factory=set)

    def edit(self, files: Mapping[str, ParsedFile]) -> dict[str, bytes]:
        edits: dict[str, list[tuple[Span, bytes]]] = {name: [] for name in sorted(files)}
        for node in self.graph.configuration.root.nodes.values():
            edits[node.block.file].extend(self._node(files[node.block.file].data, node))
        return {name: edited(files[name].data, found) for name, found in edits.items()}

    def generated(self, upstream: Exports) -> Generated:
        """What the edited files need beside them; CutError when an export is missing."""
        made = Generated()
        for address, name in sorted(self.read, key=lambda place: (place[0], place[1] or "")):
            export = part_of(upstream, (address, name))
            if export is None:
                raise CutError(f"the value of {_written(address, name)} is not recorded")
            made.value(mangling.name(self.prefix, address, name), export)
        for address in sorted(self.awaited):
            made.placeholder(self._pending(address))
        return made

    def foreign(self, address: str) -> bool:
        """Whether a node is a real one of another unit."""
        return address not in self.kept and self.graph.configuration.root.nodes[address].kind in REAL

    def _node(self, data: bytes, node: Node) -> Iterator[tuple[Span, bytes]]:
        if node.address not in self.kept:
            yield node.span, _lines(data, node.span)
        elif node.kind is Kind.TERRAFORM:
            for block in node.block.blocks:
                if block.type in _BACKENDS:
                    yield block.span, _lines(data, block.span)
        elif node.address in self.idle:
            yield from _emptied(data, node)
        else:
            yield from self._references(data, node)

    def _references(self, data: bytes, node: Node) -> Iterator[tuple[Span, bytes]]:
        waiting = list(_depends_on(node))
        for attribute in waiting:
            yield from self._waiting(data, node, attribute)
        for address, reference, taken in node.targets:
            if self.foreign(address) and not any(_inside(reference, attribute) for attribute in waiting):
                yield self._replaced(data, address, reference, taken)

    def _waiting(self, data: bytes, node: Node, attribute: Attribute) -> Iterator[tuple[Span, bytes]]:
        """`depends_on` without other units; what is pending there, or behind what stays, has a resource that stands for it."""
        left, edited = list[bytes](), False
        for reference in attribute.references:
            target = self.graph.configuration.root.target(reference)
            foreign = target is not None and self.foreign(target[0])
            if not foreign:
                left.append(data[reference.start : reference.end])
            waits = target is not None and self.waits(node, target[0], reference)
            if target is not None and waits:
                self.awaited.add(target[0])
                left.append(f"terraform_data.{self._pending(target[0])}".encode())
            edited = edited or foreign or waits
        if edited:
            yield attribute.value, b"[" + b", ".join(left) + _lines(data, attribute.value) + b"]"

    def _replaced(self, data: bytes, address: str, reference: Reference, taken: int) -> tuple[Span, bytes]:
        name: str | None = None
        if attributes_of(self.graph, address) != (None,):
            if len(reference.parts) <= taken:
                raise CutError(f"{address} is read in a form that is not known here")
            name, taken = reference.parts[taken], taken + 1
        self.read.add((address, name))
        span = Span(reference.start, reference.ends[taken - 1])
        return span, f"local.{mangling.name(self.prefix, address, name)}".encode() + _lines(data, span)

    def _pending(self, address: str) -> str:
        return f"{mangling.name(self.prefix, address)}-pending"


def _emptied(data: bytes, node: Node) -> Iterator[tuple[Span, bytes]]:
    """A provider block that must be there and is never configured: only its name stays, for it may read anything."""
    for attribute in node.block.attributes.values():
        if attribute.name not in _NAMING:
            yield attribute.span, _lines(data, attribute.span)
    for block in node.block.blocks:
        yield block.span, _lines(data, block.span)


def _depends_on(node: Node) -> Iterator[Attribute]:
    """The lists of what a node waits for: its own, and that of a data source inside a check."""
    blocks = [node.block] if node.kind in _DEPENDING else []
    if node.kind is Kind.CHECK:
        blocks = [block for block in node.block.blocks if block.type == Kind.DATA]
    for block in blocks:
        if "depends_on" in block.attributes:
            yield block.attributes["depends_on"]


def _inside(reference: Reference, attribute: Attribute) -> bool:
    return attribute.value.start <= reference.start < attribute.value.end
