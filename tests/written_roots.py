"""Roots written down in a test: files by path → configuration, graph, the context of their fingerprints."""

import hashlib
import json
import posixpath
from collections.abc import Mapping
from dataclasses import replace

from stackly_engine.configuration import configure
from stackly_engine.fingerprints import Context
from stackly_engine.graph import Graph, build
from stackly_engine.source import Product

PACKAGES = {
    f"registry.terraform.io/hashicorp/{name}": f"h1:{name}"
    for name in ("aws", "random", "time", "tls", "null", "local")
}


def graph_of(files: Mapping[str, str], calls: Mapping[str, str] | None = None) -> Graph:
    """The graph of a root; `files` by path from the root, `calls` module keys to their directories."""
    directories = {"": ".", **(calls or {})}
    modules = {"Modules": [{"Key": key, "Source": place, "Dir": place} for key, place in directories.items()]}
    by_directory = {
        place: {
            posixpath.basename(path): text.encode()
            for path, text in files.items()
            if posixpath.normpath(posixpath.dirname(path) or ".") == posixpath.normpath(place)
        }
        for place in directories.values()
    }
    configuration = configure(by_directory, json.dumps(modules).encode(), Product.TERRAFORM)
    assert configuration.whole == ()
    return build(configuration)


def context_of(files: Mapping[str, str], calls: Mapping[str, str] | None = None, **changes: object) -> Context:
    """What goes with it: the trees of all directories, everything else plain."""
    hashes = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
    trees = {
        place: {
            posixpath.relpath(path, place): digest
            for path, digest in hashes.items()
            if place == "." or path.startswith(f"{posixpath.normpath(place)}/")
        }
        for place in {".", *(calls or {}).values()}
    }
    whole = hashlib.sha256(json.dumps(sorted(hashes.items())).encode()).hexdigest()
    context = Context("terraform 1.11.4", "environment", whole, packages=PACKAGES, trees=trees)
    return replace(context, **changes)  # type: ignore[arg-type]
