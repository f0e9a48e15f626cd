"""The supervisor of the embedded parts: Postgres, OpenBao, Temporal, Envoy and our own programs, on one machine."""
