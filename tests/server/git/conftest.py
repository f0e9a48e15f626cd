"""A repository to serve, and a mirror of it."""

from pathlib import Path

import pytest

from git_repos import Repo
from pushing import hcl_reader, world
from stackly_server.git.mirror import Mirror
from stackly_server.git.remote import allowed_remote

__all__ = ["hcl_reader", "world"]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "served.git")


@pytest.fixture
def mirror(tmp_path: Path, repo: Repo) -> Mirror:
    return Mirror(tmp_path / "mirrors" / "one", allowed_remote(repo.url, {"file"}, [tmp_path]))
