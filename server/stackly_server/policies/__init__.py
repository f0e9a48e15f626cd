"""Policies of an account: what is asked before a run may go on."""
