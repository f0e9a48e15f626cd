"""Runners are forked from one process, and live without it."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackly_worker.agent.pool import Pool, Runner
from stackly_worker.runner.process import exited


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    pool = Pool(tmp_path, warm=2)
    yield pool
    pool.close()


def _parent(runner: Runner) -> int:
    return int(Path(f"/proc/{runner.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


async def _gone(runner: Runner) -> None:
    async with asyncio.timeout(20):
        await exited(runner.pid)


async def test_warm_runners_are_children_of_one_nursery_in_sessions_of_their_own(pool: Pool) -> None:
    pool.fill()
    one, two = pool.take(), pool.take()
    assert one.lives
    assert two.lives
    assert _parent(one) == _parent(two) != os.getpid()
    assert os.getsid(one.pid) == one.pid != os.getsid(two.pid)


async def test_a_runner_without_a_task_ends_with_the_agent(pool: Pool) -> None:
    pool.fill()
    runner = pool.take()
    runner.let_go()
    await _gone(runner)
    assert not runner.lives


async def test_a_nursery_that_was_killed_takes_no_runner_with_it_and_is_made_anew(pool: Pool) -> None:
    runner = pool.take()
    nursery = _parent(runner)
    os.kill(nursery, 9)
    await _until_gone(nursery)
    assert runner.lives
    others = [pool.take() for _ in range(2)]  # the first is an interpreter of its own, the second a new nursery's
    assert all(each.lives for each in others)
    assert _parent(others[1]) not in {nursery, os.getpid()}
    for each in (runner, *others):
        each.let_go()
        await _gone(each)
        assert not each.lives


async def _until_gone(pid: int) -> None:
    async with asyncio.timeout(20):
        await exited(pid)
