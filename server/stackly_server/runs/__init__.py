"""Runs: plan, approve, apply, destroy; what a runner may do for them, and the workflows that hand them out."""
