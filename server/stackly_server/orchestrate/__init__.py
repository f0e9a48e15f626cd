"""The program `orchestrate`: Temporal workers of every namespace, the relay, the sweeps."""
