"""Forward-only migrations: numbered SQL files, each applied once in one transaction, checked by their hash."""
