"""Events: what happened in an account, listed or followed."""
