"""Writes what is generated from proto/: messages, stubs, descriptors, SDK and OpenAPI."""
