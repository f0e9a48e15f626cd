"""Repositories: mirrors, trees, push events and what changed in them."""
