"""Stackly's pure engine: bytes and documents in, documents out."""
