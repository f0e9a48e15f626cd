"""A run to write a log of."""

from pushing import hcl_reader, world
from server.runs.conftest import desk

__all__ = ["desk", "hcl_reader", "world"]
