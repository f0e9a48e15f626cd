"""The byte property: a cut root is the original text with ranges blanked and references replaced, and nothing else."""

import re
from collections.abc import Collection, Iterator

from stackly_engine.cutting import Cut, needs_of
from stackly_engine.graph import Graph
from stackly_engine.source import Kind, Node
from stackly_engine.syntax import Reference, Span

_BLANKED = frozenset({"backend", "cloud"})


def altered(graph: Graph, units: Collection[str], made: Cut) -> Iterator[str]:
    """Files of a cut that are not what they must be. Told by patterns made of the original bytes, not by the cutter."""
    needs = needs_of(graph, units)
    files = graph.configuration.root.files
    if files.keys() != made.files.keys():
        yield f"cut {sorted(units)}: has the files {sorted(made.files)}"
    for name in sorted(files.keys() & made.files.keys()):
        pattern = _file(graph, files[name].data, name, needs.kept, made.prefix.encode())
        if re.fullmatch(pattern, made.files[name], re.DOTALL) is None:
            yield f"cut {sorted(units)}: {name} is not the original with other units blanked\n{made.files[name].decode(errors='replace')}"
        if made.files[name].count(b"\n") != files[name].data.count(b"\n"):
            yield f"cut {sorted(units)}: {name} has other lines"


def _file(graph: Graph, data: bytes, name: str, kept: Collection[str], prefix: bytes) -> bytes:
    nodes = [node for node in graph.configuration.root.nodes.values() if node.block.file == name]
    pattern, reached = b"", 0
    for node in sorted(nodes, key=lambda node: node.span.start):
        own = (
            _node(data, node, prefix)
            if node.address in kept
            else b"\n" * data.count(b"\n", node.span.start, node.span.end)
        )
        pattern += re.escape(data[reached : node.span.start]) + own
        reached = node.span.end
    return pattern + re.escape(data[reached:])


def _node(data: bytes, node: Node, prefix: bytes) -> bytes:
    """A node that is kept: its own text, where references may have been replaced and what is for nobody emptied."""
    if node.kind is Kind.TERRAFORM:
        blocks = [block.span for block in node.block.blocks if block.type in _BLANKED]
        return _around(data, node.span, [(span, b"\n" * data.count(b"\n", span.start, span.end)) for span in blocks])
    own = _around(data, node.span, [*_lists(node, data), *_references(node, data, prefix)])
    if node.kind is not Kind.PROVIDER:
        return own
    left = [one.span for one in node.block.attributes.values() if one.name not in {"alias", "version"}]
    left += [block.span for block in node.block.blocks]
    emptied = [(span, b"\n" * data.count(b"\n", span.start, span.end)) for span in left]
    return b"(?:" + own + b"|" + _around(data, node.span, emptied) + b")"


def _around(data: bytes, span: Span, parts: list[tuple[Span, bytes]]) -> bytes:
    """The bytes of a range as they are but for parts of it; parts inside of others do not count."""
    pattern, reached = b"", span.start
    for part, own in sorted(parts, key=lambda one: (one[0].start, -one[0].end)):
        if part.start >= reached and part.end <= span.end:
            pattern += re.escape(data[reached : part.start]) + own
            reached = part.end
    return pattern + re.escape(data[reached : span.end])


def _lists(node: Node, data: bytes) -> Iterator[tuple[Span, bytes]]:
    """`depends_on` may hold less, and what stands for changes to come."""
    for inner in (node.block, *node.block.blocks) if node.kind is not Kind.LOCAL else ():
        attribute = inner.attributes.get("depends_on")
        if attribute is not None:
            text = re.escape(data[attribute.value.start : attribute.value.end])
            yield attribute.value, b"(?:" + text + rb"|\[[^\]]*\])"


def _references(node: Node, data: bytes, prefix: bytes) -> Iterator[tuple[Span, bytes]]:
    for _, reference, _taken in node.targets:
        yield Span(reference.start, reference.ends[-1]), _either(reference, data, prefix)


def _either(reference: Reference, data: bytes, prefix: bytes) -> bytes:
    """The reference as written, or a generated local in place of its first parts; line breaks are kept."""
    last = reference.ends[-1]
    forms = [re.escape(data[reference.start : last])]
    for end in reference.ends:
        lines = b"\n" * data.count(b"\n", reference.start, end)
        forms.append(b"local\\." + re.escape(prefix) + rb"(?:[\w-]|[\x80-\xff])+" + lines + re.escape(data[end:last]))
    return b"(?:" + b"|".join(forms) + b")"
