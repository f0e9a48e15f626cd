"""Turns async source into its blocking twin, word by word. The async source is the one that people edit."""

import re

_WORDS = (
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\basync_(?=[a-z])", ""),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\banext\(", "next("),
    (r"\baclose\(", "close("),
    (r"\bstackly_sdk\.aio\b", "stackly_sdk._gen.blocking"),
    (r"\bstackly_sdk\.tasks\b", "stackly_sdk.threads"),
)


def blocking(source: str, name: str) -> str:
    """Gives the whole module. Raises ValueError where an async word is left over."""
    made = f"# Generated from aio/{name} by protoc-gen-stackly-sdk; do not edit.\n{blocking_words(source)}"
    left = re.search(r"\b(async|await|asyncio)\b(?![^\n]*\"\"\")", _without_text(made))
    if left:
        raise ValueError(f"aio/{name}: {left[0]!r} has no blocking twin")
    return made


def blocking_words(source: str) -> str:
    for pattern, word in _WORDS:
        source = re.sub(pattern, word, source)
    return _without_awaitable(source)


def _without_awaitable(source: str) -> str:
    """`Awaitable[X]` becomes `X`, brackets counted; an import of the bare name stays and is harmless."""
    while (start := source.find("Awaitable[")) >= 0:
        inner = start + len("Awaitable[")
        end, depth = inner, 1
        while depth:
            depth += {"[": 1, "]": -1}.get(source[end], 0)
            end += 1
        source = source[:start] + source[inner : end - 1] + source[end:]
    return source


def _without_text(source: str) -> str:
    return re.sub(r'"""[\s\S]*?"""|#[^\n]*|"[^"\n]*"', '""', source)
