# Generated from aio/__init__.py by protoc-gen-stackly-sdk; do not edit.
"""The async client. The blocking one in `_gen/blocking` is generated from these files."""
