"""Accounts: tenants, members, sign-in and tokens, API keys, namespaces, connected repositories, data keys."""
