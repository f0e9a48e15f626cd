"""The conformance suite again for the blocking client: the same sources, turned by the words that turned the client."""

from pathlib import Path

from plugin.twins import blocking_words

_SOURCES = sorted(set(Path(__file__).parent.glob("test_conformance_*.py")) - {Path(__file__)})

for _source in _SOURCES:
    exec(compile(blocking_words(_source.read_text()), f"{_source} (blocking)", "exec"))  # noqa: S102  # the tests there


def test_every_source_was_turned() -> None:
    """Two tests of one name in two files would be one here."""
    told = sum(_source.read_text().count("\nasync def test_") for _source in _SOURCES)
    assert told == sum(name.startswith("test_") for name in globals()) - 1
    assert len(_SOURCES) > 1
