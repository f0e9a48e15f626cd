"""Each rule of the engine on a root of its own, held against real Terraform after every edit; and each rule's absence.

Beside the engine that is right there run some with one planted bug each: when nothing differs because of it, the root proves
nothing about its rule.
"""

import os
from pathlib import Path

import pytest

from oracle.conftest import Tell
from oracle.directed.corpus import CORPUS, MODULES, QUICK
from oracle.harness import TOFU, UNTOLD, hold
from oracle.mutations import MUTATIONS


def test_names_are_told_once() -> None:
    written = sum(len(one.CASES) for one in MODULES)
    assert written == len(CORPUS)
    assert set(QUICK) <= CORPUS.keys()


def test_each_planted_bug_is_of_one_rule_and_has_a_root() -> None:
    assert {one.case for one in MUTATIONS} <= CORPUS.keys()
    assert len({one.rule for one in MUTATIONS}) == len(MUTATIONS)
    assert all(one.section.startswith("§") for one in MUTATIONS)
    for one in MUTATIONS:
        with one.planted():
            pass  # its place is there


@pytest.mark.parametrize("name", QUICK)
def test_a_root_comes_out_as_with_terraform(name: str, tmp_path: Path, tell: Tell) -> None:
    report = hold(CORPUS[name], tmp_path, "apart")
    tell(report)
    assert report.good, str(report)


MODES = ("apart",) if os.environ.get("ORACLE_CI") else ("apart", "batches")


@pytest.mark.oracle
@pytest.mark.parametrize("name", CORPUS)
def test_a_root_of_the_corpus_comes_out_as_with_terraform(name: str, tmp_path: Path, tell: Tell) -> None:
    bugs = [one for one in MUTATIONS if one.case == name and not (TOFU and one.rule in UNTOLD)]
    report = hold(CORPUS[name], tmp_path, *MODES, bugs=bugs)
    tell(report)
    assert report.good, str(report)
