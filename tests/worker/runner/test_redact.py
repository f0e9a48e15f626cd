"""No form of a secret leaves the redactor, however the stream is cut."""

import base64
import json
import re
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_worker.runner.redact import MASK, Redactor, forms

_secrets = st.text(st.sampled_from('abc"\\/+<&ü\n %'), min_size=6, max_size=14)
_noise = st.text(st.sampled_from('abc"\\/+<&ü\n %YWJj'), max_size=8).map(str.encode)


def _encoded(secret: str, front: bytes) -> bytes:
    return base64.b64encode(front + secret.encode() + b"tail")


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], list[bytes]]:
    """Secrets, and a stream of noise and secrets in many forms, cut anywhere."""
    secrets = draw(st.lists(_secrets, min_size=1, max_size=3))
    pieces = [_noise]
    for secret in secrets:
        pieces += [st.sampled_from(sorted(forms(secret))), st.just(secret.encode())]
        pieces.append(st.binary(max_size=2).map(partial(_encoded, secret)))
    data = b"".join(draw(st.lists(st.one_of(pieces), max_size=8)))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return secrets, [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(streams())
def test_no_form_leaves_and_cuts_make_no_difference(stream: tuple[list[str], list[bytes]]) -> None:
    secrets, parts = stream
    cut, whole = Redactor(secrets), Redactor(secrets)
    out = b"".join([*(cut.feed(part) for part in parts), cut.finish()])
    assert out == whole.feed(b"".join(parts)) + whole.finish()
    assert not any(form in out for secret in secrets for form in forms(secret))


@given(st.lists(_noise, max_size=6))
def test_what_holds_no_secret_passes_unchanged(parts: list[bytes]) -> None:
    redactor = Redactor(["an-entirely-different-secret"])
    assert b"".join([*(redactor.feed(part) for part in parts), redactor.finish()]) == b"".join(parts)


def _go(text: str) -> str:
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@pytest.mark.parametrize(
    "text",
    [
        lambda s: s,
        lambda s: quote(s, safe=""),
        quote_plus,
        lambda s: re.sub("%..", lambda found: found.group().lower(), quote(s, safe="")),
        json.dumps,
        lambda s: json.dumps(json.dumps(s)),
        lambda s: (
            json.dumps(s, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        ),
        lambda s: _go(json.dumps(_go(json.dumps(s)))),
        lambda s: quote(_go(json.dumps({"token": s})), safe=""),
        lambda s: base64.b64encode(json.dumps({"token": s}).encode()).decode(),
        lambda s: base64.b64encode(_go(json.dumps(["", s], ensure_ascii=False)).encode()).decode(),
        lambda s: quote(base64.b64encode(b"user:" + s.encode()).decode(), safe=""),
        lambda s: base64.b64encode(b"x" + s.encode()).decode(),
        lambda s: base64.urlsafe_b64encode(b"xy" + s.encode() + b"z").decode(),
    ],
)
def test_forms_of_one_secret(text: Callable[[str], str]) -> None:
    secret = '~~p/ss "wörd" <&>?~~'
    shown = text(secret)
    out = Redactor([secret]).whole(f"before {shown} after")
    assert len(out.replace(MASK.decode(), "")) < len(f"before {shown} after") - len(secret) + 4
    assert MASK.decode() in out
    assert out.startswith("before ")
    assert out.endswith(" after")


def test_lines_of_a_secret_are_secrets_and_short_ones_are_not() -> None:
    key = "-----BEGIN KEY-----\nMIIEabcdefgh\r\nend\n"
    assert Redactor([key]).whole("a MIIEabcdefgh b end c") == "a (sensitive) b end c"
    assert Redactor(["short"]).whole("short") == "short"


def test_a_secret_added_later_applies_to_what_is_held_back() -> None:
    redactor = Redactor(["first-secret"])
    assert redactor.feed(b"x first-sec") == b"x "
    redactor.add(["second-secret"])
    assert redactor.feed(b"ret second-secret") + redactor.finish() == b"(sensitive) (sensitive)"


def test_overlapping_secrets_leave_no_rest() -> None:
    assert Redactor(["abcdef", "defghi"]).whole("-abcdefghi-") == "-(sensitive)-"


def test_only_what_may_begin_a_secret_is_held_back() -> None:
    redactor = Redactor(["x" * 1000])
    assert redactor.feed(b"a whole line\n") == b"a whole line\n"
    assert redactor.longest >= 1000
