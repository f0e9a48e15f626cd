"""Stackly's worker: the agent and the runner."""
