"""Logs of runs: sealed chunks by offset, read back only for those who may."""
