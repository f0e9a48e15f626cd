"""Adapters of the services that others run: each turns foreign errors into ours."""
