"""Each rule of the engine on a root of its own, held against real Terraform after every edit."""

from pathlib import Path

import pytest

from oracle.conftest import Tell
from oracle.directed.corpus import CORPUS, MODULES, QUICK
from oracle.harness import hold


def test_names_are_told_once() -> None:
    written = sum(len(one.CASES) for one in MODULES)
    assert written == len(CORPUS)
    assert set(QUICK) <= CORPUS.keys()


@pytest.mark.parametrize("name", QUICK)
def test_a_root_comes_out_as_with_terraform(name: str, tmp_path: Path, tell: Tell) -> None:
    report = hold(CORPUS[name], tmp_path, "apart")
    tell(report)
    assert report.good, str(report)


@pytest.mark.oracle
@pytest.mark.parametrize("name", CORPUS)
def test_a_root_of_the_corpus_comes_out_as_with_terraform(name: str, tmp_path: Path, tell: Tell) -> None:
    report = hold(CORPUS[name], tmp_path)
    tell(report)
    assert report.good, str(report)
