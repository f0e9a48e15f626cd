"""House rule: small functions, small files. Lines are measured, SQL text and docstrings left out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("gen/generator", "sdk/plugin", "sdk/stackly_sdk", "engine", "server", "worker")
FUNCTION_MOST, FUNCTION_MANY, FUNCTION_HALF = 60, 40, 10
FILE_MOST, FILE_MANY = 500, 300
ENOUGH = 200  # functions and files from which on shares mean something


def sources() -> list[Path]:
    found = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in found if "_gen" not in path.parts and "__pycache__" not in path.parts]


def function_lengths() -> Iterator[tuple[str, int]]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", length(node)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without those of long strings: SQL text and the docstring."""
    strings = {
        line
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.end_lineno is not None
        for line in range(part.lineno + 1, part.end_lineno + 1)
    }
    assert node.end_lineno is not None
    return len(set(range(node.lineno, node.end_lineno + 1)) - strings)


def share(values: list[int], below: int) -> float:
    return sum(value < below for value in values) / len(values)


def test_no_function_is_long() -> None:
    long = [f"{name}: {lines} lines" for name, lines in function_lengths() if lines > FUNCTION_MOST]
    assert not long, "\n".join(long)


def test_most_functions_are_short() -> None:
    lengths = [lines for _, lines in function_lengths()]
    if len(lengths) < ENOUGH:
        pytest.skip(f"only {len(lengths)} functions yet")
    assert share(lengths, FUNCTION_MANY) >= 0.95
    assert share(lengths, FUNCTION_HALF) >= 0.5


def test_no_file_is_long() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in sources()}
    long = [f"{path.relative_to(ROOT)}: {count} lines" for path, count in lines.items() if count > FILE_MOST]
    assert not long, "\n".join(long)


def test_most_files_are_short() -> None:
    lines = [len(path.read_text().splitlines()) for path in sources()]
    assert lines
    assert share(lines, FILE_MANY) >= 0.95


def test_every_module_says_what_it_is() -> None:
    silent = [str(path.relative_to(ROOT)) for path in sources() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent, "\n".join(silent)
