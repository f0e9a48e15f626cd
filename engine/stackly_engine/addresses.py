"""Addresses of Terraform as text: the top-level part, and the form without instance keys."""

import re

_NAME = r"[^\s.\[\]\"]+"
_TOP = re.compile(rf"module\.{_NAME}|(?:data|ephemeral)\.{_NAME}\.{_NAME}|(?:resource\.)?({_NAME}\.{_NAME})")
_TEXT = r'"(?:[^"\\]|\\.)*"|[^"\[\]]'
_KEY_OR_BLANK = re.compile(rf"\[(?:{_TEXT}|\[(?:{_TEXT})*\])*\]|\s+")


def top(address: str) -> str:
    """The top-level address: `module.a["x"].aws_y.z` is in `module.a`, `data.t.n[0]` is `data.t.n`; ValueError if none."""
    found = _TOP.match(address.strip())
    if found is None:
        raise ValueError(f"this is no address: {address[:80]}")
    return found.group(1) or found.group(0)


def indexless(address: str) -> str:
    """An address as configuration has it: without blanks and without instance keys, `module.a["x"].t.n[0]` → `module.a.t.n`."""
    return _KEY_OR_BLANK.sub("", address)
