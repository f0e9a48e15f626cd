"""Stackly's Python SDK: the public names."""
