"""A connected repository with a stack in it."""

from pushing import hcl_reader, world

__all__ = ["hcl_reader", "world"]
