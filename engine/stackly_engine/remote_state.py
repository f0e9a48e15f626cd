"""Roots that read their own state back: their outputs would be inputs of the very run that changes them."""

import re
from collections.abc import Iterator, Mapping

from stackly_engine.literals import pairs, plain, word
from stackly_engine.source import Kind, Module, Node, Whole
from stackly_engine.syntax import Block

_LOCAL = "local"
_LOCAL_PATH = "terraform.tfstate"
# What tells one state from another; the rest of a backend's settings says how to get there.
_IDENTITY = frozenset({
    "address", "bucket", "conn_str", "container_name", "key", "organization", "path", "prefix", "schema_name",
    "secret_suffix", "storage_account_name",
})  # fmt: skip
# `${…}` with strings and one level of braces inside.
_INSERTED = re.compile(r'\$\{(?:[^{}"]|"[^"]*"|\{[^{}]*\})*\}')
_HERE = ("${path.module}/", "${path.root}/", "${path.cwd}/", "./")


def reads_itself(modules: Mapping[str, Module]) -> Iterator[Whole]:
    """A `terraform_remote_state` that names the root's own backend; what is not written out counts as another state."""
    own_type, own = _backend(modules[""])
    for key in sorted(modules):
        for node in modules[key].nodes.values():
            if _remote_state(node) and word(node.block.attributes.get("backend")) == own_type:
                other = _read(node.block, own_type)
                common = own.keys() & other.keys()
                if common and all(_may_be(other[name], own[name]) for name in common):
                    line = modules[key].files[node.block.file].line(node.span.start)
                    yield Whole("own-remote-state", f"{node.address} is this root's own state", node.block.file, line)


def _remote_state(node: Node) -> bool:
    return node.kind is Kind.DATA and node.block.labels[0] == "terraform_remote_state"


def _backend(root: Module) -> tuple[str, Mapping[str, str]]:
    for node in root.nodes.values():
        for block in node.block.blocks if node.kind is Kind.TERRAFORM else ():
            if block.type == "backend":
                written = {name: each.text for name, each in block.attributes.items()}
                return block.labels[0], _identity(block.labels[0], written)
            if block.type == "cloud":
                return "remote", _identity("remote", {name: each.text for name, each in block.attributes.items()})
    return _LOCAL, _identity(_LOCAL, {})


def _read(data: Block, backend: str) -> Mapping[str, str]:
    config = data.attributes.get("config")
    return _identity(backend, dict(pairs(config.text)) if config is not None else {})


def _identity(backend: str, written: Mapping[str, str]) -> Mapping[str, str]:
    """The identifying settings that are text; a backend's own has no templates."""
    texts = {_LOCAL: {"path": f'"{_LOCAL_PATH}"'}}.get(backend, {}) | {**written}
    return {name: _path(plain(text)) for name, text in texts.items() if name in _IDENTITY and text.startswith('"')}


def _may_be(template: str, text: str) -> bool:
    """Whether a template can come to a text: what is inserted may be anything, what is written out stays."""
    parts = _INSERTED.split(template)
    if any("${" in part or "%{" in part for part in parts):
        return True
    return re.fullmatch(".*".join(map(re.escape, parts)), text, re.DOTALL) is not None


def _path(text: str) -> str:
    for prefix in _HERE:
        text = text.removeprefix(prefix)
    return text
