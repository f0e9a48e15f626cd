"""The conformance suite again for the blocking client: the same source, turned by the words that turned the client."""

from pathlib import Path

from plugin.twins import blocking_words

_SOURCE = Path(__file__).with_name("test_conformance.py")

exec(compile(blocking_words(_SOURCE.read_text()), f"{_SOURCE} (blocking)", "exec"))  # noqa: S102  # the tests above
