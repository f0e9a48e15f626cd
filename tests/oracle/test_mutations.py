"""Every planted bug is found by the directed root of its rule: else the oracle proves nothing about that rule."""

from pathlib import Path

import pytest

from oracle.directed.corpus import CORPUS
from oracle.harness import hold
from oracle.mutations import MUTATIONS, Mutation

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[one.rule for one in MUTATIONS])
def test_a_planted_bug_is_found(mutation: Mutation, tmp_path: Path) -> None:
    with mutation.planted():
        report = hold(CORPUS[mutation.case], tmp_path, mutation.mode)
    assert not report.wrong, report.wrong
    assert report.differences, f"{mutation.rule}: nothing differs in {mutation.case!r}"
