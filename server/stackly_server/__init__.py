"""Stackly's control plane."""
