"""How many operations a Terraform does at once: its part of one budget, or what each is given."""

from pathlib import Path

import pytest

from stackly_engine.command.batch import Shell
from stackly_engine.command.project import Project
from stackly_engine.command.tool import Processes, Tool
from stackly_engine.source import Product


@pytest.mark.parametrize(("each", "width", "operations"), [(0, 1, 10), (0, 2, 5), (0, 40, 1), (7, 1, 7), (7, 2, 7)])
def test_operations(tmp_path: Path, each: int, width: int, operations: int) -> None:
    tool = Tool("terraform", Product.TERRAFORM, "1.11.4")
    shell = Shell(Project(tmp_path, tool.product), tool, Processes(), {}, each=each)
    assert shell.operations(width) == f"-parallelism={operations}"
