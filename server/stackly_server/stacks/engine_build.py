"""Which engine this release decides with: audits are due, and distrust ends, when it is another."""

from importlib.metadata import version

from stackly_engine.parts import SCHEMA_ID

BUILD = f"{version('stackly-engine')}/{SCHEMA_ID}"
"""The version of `stackly-engine` and the id of its fingerprints."""
EVERY_BUILD = "*"
"""Stands for all of them, this one and later ones."""
