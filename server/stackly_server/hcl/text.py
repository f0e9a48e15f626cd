"""Strings, heredocs, numbers and gaps of HCL source, read as strictly as Terraform reads them. Pure."""

from __future__ import annotations

import re
import unicodedata

NUMBER_CHARACTERS = 100
"""The longest number, as written."""
EXPONENT_LIMIT = 300
"""The largest exponent of a number, either way."""

STRING_OVER_LINE = "a string may not run over the end of its line; use a heredoc (<<EOT)"

_COMMENT = re.compile(r"#[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL)
_HINT = re.compile(
    r"#[^\n]*|//[^\n]*|/\*.*?\*/|<<-?(?P<mark>[A-Za-z][\w.-]*)\r?\n.*?\n\s*(?P=mark)\r?\n"
    r"|\"(?:[^\"\\\n]|\\[^\n])*(?:\"|(?P<open>\n|\Z))",
    re.DOTALL,
)
_UNIT = re.compile(
    r"\\(?P<short>[nrt\"\\])|\\u(?P<four>[0-9a-fA-F]{4})|\\U(?P<eight>[0-9a-fA-F]{8})"
    r"|(?P<escaped>\$\$\{|%%\{)|(?P<template>[$%]\{)|(?P<sign>[$%])|(?P<plain>[^\"\\\n\r$%]+)"
)
_TEMPLATE_UNIT = re.compile(r"(?P<escaped>\$\$\{|%%\{)|(?P<template>[$%]\{)|(?P<sign>[$%])|(?P<plain>[^$%]+)")
_SHORT = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_SIGN_RUN = re.compile(r"\$\$\$\{|%%%\{")
_SURROGATES = range(0xD800, 0xE000)
_LAST_CHARACTER = 0x10FFFF


class TextError(Exception):
    """What is wrong, and how many characters after the start of the text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class TemplateError(Exception):
    """The string has an interpolation or a directive: it is an expression, no literal."""


def has_newline(source: str, start: int, end: int) -> bool:
    """Whether a newline that counts stands in the gap; one inside `/* */` does not, one that ended a heredoc does."""
    if start > 0 and source[start - 1] == "\n":
        return True
    return "\n" in _COMMENT.sub("", source[start:end])


def quoted(raw: str) -> str:
    """The value of what stands between two quotes, in Unicode form C as Terraform has it.

    Raises:
        TextError: an escape that Terraform does not know, or a newline.
        TemplateError: `${` or `%{` inside.
    """
    if _SIGN_RUN.search(raw):
        raise TemplateError
    parts, position = [], 0
    while position < len(raw):
        unit = _UNIT.match(raw, position)
        if unit is None:
            raise TextError(_why(raw, position), position)
        parts.append(_unit_value(unit))
        position = unit.end()
    return unicodedata.normalize("NFC", "".join(parts))


def heredoc(token: str) -> str:
    """The value of a heredoc, from `<<` to the newline after its end mark.

    Raises:
        TextError: an end mark stands inside (blanks beside it), where Terraform would have ended it.
        TemplateError: `${` or `%{` inside.
    """
    head, _, rest = token.partition("\n")
    trim = head.startswith("<<-")
    mark = head.removeprefix("<<-").removeprefix("<<").strip()
    lines = rest.split("\n")[:-1]
    body = lines[:-1]
    if any(line.strip() == mark for line in body):
        message = f"the heredoc {mark} has its end mark twice"
        raise TextError(message, 0)
    if trim:
        body = _outdented(body)
    text = "".join(line + "\n" for line in body)
    if _SIGN_RUN.search(text):
        raise TemplateError
    return unicodedata.normalize("NFC", "".join(_unit_value(unit) for unit in _TEMPLATE_UNIT.finditer(text)))


def unclosed_string(source: str) -> int | None:
    """The offset of the first quote whose string does not end in its line, as a hint for a file that does not parse."""
    position = 0
    while found := _HINT.search(source, position):
        if found["open"] is not None:
            return found.start()
        position = max(found.end(), position + 1)
    return None


def number(text: str) -> str:
    """The number as written.

    Raises:
        TextError: longer than 100 characters, or an exponent beyond 300.
    """
    if len(text) > NUMBER_CHARACTERS:
        message = f"a number of more than {NUMBER_CHARACTERS} characters"
        raise TextError(message, 0)
    _, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > EXPONENT_LIMIT:
        message = f"a number with an exponent beyond {EXPONENT_LIMIT}"
        raise TextError(message, 0)
    return text


def _outdented(body: list[str]) -> list[str]:
    widths = [len(line) - len(line.lstrip(" \t")) for line in body if line.strip()]
    width = min(widths, default=0)
    return [line[width:] for line in body]


def _unit_value(unit: re.Match[str]) -> str:
    if unit["template"]:
        raise TemplateError
    groups = unit.groupdict()
    if groups.get("short"):
        return _SHORT[unit["short"]]
    code = groups.get("four") or groups.get("eight")
    if code:
        return _character(int(code, 16), unit.start())
    if unit["escaped"]:
        return unit["escaped"][1:]
    return unit[0]


def _character(code: int, offset: int) -> str:
    if code in _SURROGATES or code > _LAST_CHARACTER:
        message = "an escape that names no character"
        raise TextError(message, offset)
    return chr(code)


def _why(raw: str, position: int) -> str:
    if raw[position] in "\n\r":
        return STRING_OVER_LINE
    if raw[position] == "\\":
        return f"the escape {raw[position : position + 2]!r} is unknown; write \\\\ for a backslash"
    return 'a quote inside a string must be written \\"'
