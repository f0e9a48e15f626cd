"""The command of `make gen` and `make gen-check`: write what is generated, compare it, or write one descriptor set."""

import argparse
import filecmp
import os
import shutil
import sys
import tempfile
from pathlib import Path

from generator import betterproto, openapi, protoc, stubs

ROOT = Path(__file__).resolve().parents[2]
TREES = (Path("gen/stackly"), Path("sdk/stackly_sdk/_gen"))
_SKIPPED = ("__pycache__",)


def main() -> int:
    parser = argparse.ArgumentParser(prog="generator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write", help="wipe the generated trees and write them whole")
    commands.add_parser("check", help="fail when the generated trees differ from a fresh generation")
    descriptors = commands.add_parser("descriptors", help="write only the descriptor set")
    descriptors.add_argument("path", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.command == "descriptors":
            protoc.write_descriptors(ROOT / "proto", arguments.path)
            return 0
        return _write() if arguments.command == "write" else _check()
    except protoc.GenerationError as error:
        print(f"generation failed: {error}", file=sys.stderr)
        return 1


def generate(out: Path) -> None:
    """Writes both trees below `out`, which must be empty."""
    messages, sdk = (out / tree for tree in TREES)
    messages.mkdir(parents=True)
    sdk.mkdir(parents=True)
    protoc.write_messages(ROOT / "proto", messages.parent)
    files = protoc.write_descriptors(ROOT / "proto", messages / "descriptors.binpb")
    stubs.write(files, messages.parent)
    openapi.write(files, messages / "openapi.json")
    betterproto.write(files, sdk)
    protoc.write_sdk(ROOT / "proto", ROOT / "sdk", sdk)


def _write() -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        generate(out)
        for tree in TREES:
            shutil.rmtree(ROOT / tree, ignore_errors=True)
            shutil.copytree(out / tree, ROOT / tree)
    return 0


def _check() -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        generate(out)
        stale = sorted(path for tree in TREES for path in differences(out / tree, ROOT / tree, tree))
    for path in stale:
        print(f"not fresh: {path}", file=sys.stderr)
    if stale:
        print("run `make gen` and commit what it writes", file=sys.stderr)
    return 1 if stale else 0


def differences(fresh: Path, kept: Path, shown: Path) -> list[Path]:
    """Gives the files that differ or are on one side only, each below `shown`."""
    names = _files(fresh) | _files(kept)
    return [
        shown / name
        for name in names
        if not ((fresh / name).is_file() and (kept / name).is_file() and filecmp.cmp(fresh / name, kept / name, False))
    ]


def _files(folder: Path) -> set[Path]:
    found: set[Path] = set()
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        found.update(Path(parent, name).relative_to(folder) for name in names)
    return found


if __name__ == "__main__":
    sys.exit(main())
